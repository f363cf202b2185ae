// The EFI driver's order of what to boot, with variables and disks that are tables here.
#include "devices/efi/boot_order.hpp"
#include "devices/efi/disk.hpp"
#include "hv/testing/catch.hpp"

#include <cstring>
#include <deque>
#include <map>
#include <string>
#include <vector>

namespace {

using Bytes = std::vector<std::uint8_t>;

/// The firmware's variables. There is one firmware at a time, as its functions know no more than their arguments.
std::map<std::u16string, Bytes> variables;
unsigned writes = 0;

efi::Status get_variable(char16_t* name, efi::Guid const*, std::uint32_t*, std::size_t* size, void* data)
{
    constexpr efi::Status too_small{efi::error_bit | 5};
    auto const found = variables.find(name);
    if (found == variables.end()) return efi::not_found;
    bool const fits = *size >= found->second.size();
    *size = found->second.size();
    if (!fits) return too_small;
    std::memcpy(data, found->second.data(), found->second.size());
    return efi::success;
}

efi::Status set_variable(char16_t* name, efi::Guid const*, std::uint32_t attributes, std::size_t size,
                         void const* data)
{
    CHECK(attributes == 7);
    ++writes;
    auto const* const bytes = static_cast<std::uint8_t const*>(data);
    if (size == 0)
        variables.erase(name);
    else
        variables[name] = Bytes(bytes, bytes + size);
    return efi::success;
}

template <typename Part>
void append(Bytes& bytes, Part const& part)
{
    auto const* const from = reinterpret_cast<std::uint8_t const*>(&part);
    bytes.insert(bytes.end(), from, from + sizeof part);
}

Bytes entry(std::u16string const& description, Bytes const& path)
{
    Bytes bytes;
    append(bytes, std::uint32_t{1});
    append(bytes, static_cast<std::uint16_t>(path.size()));
    for (auto const c : description + u'\0')
        append(bytes, c);
    bytes.insert(bytes.end(), path.begin(), path.end());
    return bytes;
}

Bytes end_node()
{
    return {0x7F, 0xFF, 4, 0};
}

/// A hard drive node (UEFI Specification 2.10 §10.3.5.1) and a file's name, as operating systems write them.
Bytes partition_path(Bytes const& signature, std::uint8_t kind)
{
    Bytes path{4, 1, 42, 0};
    path.resize(24);
    path.insert(path.end(), signature.begin(), signature.end());
    path.resize(40);
    path.push_back(static_cast<std::uint8_t>(kind == 2 ? 2 : 1));
    path.push_back(kind);
    path.insert(path.end(), {4, 4, 8, 0, 'x', 0, 0, 0});
    auto const end = end_node();
    path.insert(path.end(), end.begin(), end.end());
    return path;
}

std::map<efi::BlockIo*, Bytes> contents;

efi::Status read_blocks(efi::BlockIo* self, std::uint32_t, std::uint64_t block, std::size_t size, void* buffer)
{
    auto const& bytes = contents[self];
    auto const offset = block * self->media->block_size;
    if (offset + size > bytes.size()) return efi::device_error;
    std::memcpy(buffer, bytes.data() + offset, size);
    return efi::success;
}

class Firmware {
  public:
    Firmware()
    {
        variables.clear();
        contents.clear();
        writes = 0;
        runtime_.get_variable = get_variable;
        runtime_.set_variable = set_variable;
    }

    efi::Disk& add(std::uint32_t place, bool disc = false)
    {
        auto& disk = disks_.emplace_back();
        disk.media = {.id = 1,
                      .removable = disc,
                      .present = true,
                      .logical_partition = false,
                      .read_only = false,
                      .write_caching = true,
                      .block_size = disc ? 2048U : 512U,
                      .io_align = 8,
                      .last_block = 127};
        disk.block_io.media = &disk.media;
        disk.block_io.read_blocks = read_blocks;
        disk.path = {};
        disk.unit = static_cast<std::uint32_t>(disks_.size() - 1);
        disk.path.scsi.lun = static_cast<std::uint16_t>(disk.unit);
        disk.bootable = {.kind = disc ? efi::Bootable::Kind::Disc : efi::Bootable::Kind::Disk,
                         .unit = disk.unit,
                         .place = place,
                         .path = &disk.path,
                         .path_size = sizeof disk.path,
                         .own_size = sizeof disk.path - sizeof disk.path.end,
                         .blocks = &disk.block_io,
                         .next = first_};
        first_ = &disk.bootable;
        contents[&disk.block_io] = Bytes(128 * 512);
        return disk;
    }

    efi::CardBootPath const& add_card(std::uint32_t place)
    {
        auto& card = cards_.emplace_back();
        card.path.mac.address[5] = static_cast<std::uint8_t>(cards_.size());
        card.bootable = {.kind = efi::Bootable::Kind::Network,
                         .unit = static_cast<std::uint32_t>(cards_.size() - 1),
                         .place = place,
                         .path = &card.path,
                         .path_size = sizeof card.path,
                         .own_size = sizeof(efi::CardPath) - sizeof(efi::PathNode),
                         .blocks = nullptr,
                         .next = first_};
        first_ = &card.bootable;
        return card.path;
    }

    void arrange() { efi::arrange_boot_order(runtime_, first_); }

    static void set_order(std::vector<std::uint16_t> const& numbers)
    {
        auto& value = variables[u"BootOrder"];
        value.clear();
        for (auto const number : numbers)
            append(value, number);
    }

    [[nodiscard]] static std::vector<std::uint16_t> order()
    {
        auto const found = variables.find(u"BootOrder");
        if (found == variables.end()) return {};
        std::vector<std::uint16_t> numbers(found->second.size() / 2);
        std::memcpy(numbers.data(), found->second.data(), found->second.size());
        return numbers;
    }

    template <typename Path>
    [[nodiscard]] static Bytes bytes_of(Path const& whole)
    {
        Bytes path;
        append(path, whole);
        return path;
    }
    [[nodiscard]] static Bytes path_of(efi::Disk const& disk) { return bytes_of(disk.path); }

  private:
    struct Card {
        efi::CardBootPath path{};
        efi::Bootable bootable{};
    };

    efi::RuntimeServices runtime_{};
    efi::Bootable* first_ = nullptr;
    std::deque<efi::Disk> disks_;
    std::deque<Card> cards_;
};

/// A GUID partition table with this partition as its second.
void partition(efi::Disk& disk, Bytes const& unique)
{
    auto& bytes = contents[&disk.block_io];
    std::memcpy(bytes.data() + 512, "EFI PART", 8);
    std::uint64_t const first = 2;
    std::uint32_t const count = 4;
    std::uint32_t const size = 128;
    std::memcpy(bytes.data() + 512 + 72, &first, sizeof first);
    std::memcpy(bytes.data() + 512 + 80, &count, sizeof count);
    std::memcpy(bytes.data() + 512 + 84, &size, sizeof size);
    std::memcpy(bytes.data() + 2 * 512 + 128 + 16, unique.data(), unique.size());
}

using Numbers = std::vector<std::uint16_t>;

} // namespace

TEST_CASE("disks without a place leave the order of what to boot as it is", "[firmware][boot_order]")
{
    Firmware firmware;
    firmware.add(0);
    firmware.arrange();
    CHECK(variables.empty());
    Firmware::set_order({3, 1});
    firmware.arrange();
    CHECK(Firmware::order() == Numbers{3, 1});
    CHECK(writes == 0);
}

TEST_CASE("disks that no entry is for get one each, in their order", "[firmware][boot_order]")
{
    Firmware firmware;
    auto& last = firmware.add(7);
    auto& first = firmware.add(2, true);
    firmware.add(0);
    Firmware::set_order({1});
    variables[u"Boot0001"] = entry(u"Shell", end_node());
    firmware.arrange();
    CHECK(Firmware::order() == Numbers{0xF001, 0xF000, 1});
    CHECK(variables[u"BootF001"] == entry(u"Porthole: DVD 1", Firmware::path_of(first)));
    CHECK(variables[u"BootF000"] == entry(u"Porthole: disk 0", Firmware::path_of(last)));
}

TEST_CASE("the firmware's own entries for a disk are taken where there are any", "[firmware][boot_order]")
{
    Firmware firmware;
    auto& second = firmware.add(2);
    auto& first = firmware.add(1);
    variables[u"Boot0000"] = entry(u"UEFI disk", Firmware::path_of(second));
    variables[u"Boot0001"] = entry(u"Shell", end_node());
    variables[u"Boot0002"] = entry(u"UEFI disk 2", Firmware::path_of(first));
    Firmware::set_order({0, 1, 2});
    firmware.arrange();
    CHECK(Firmware::order() == Numbers{2, 0, 1});
    CHECK(writes == 1);
    firmware.arrange();
    CHECK(writes == 1); // a flash that is written at each start wears out
}

TEST_CASE("an operating system's entry belongs to the disk with its partition", "[firmware][boot_order]")
{
    Bytes const unique{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16};
    Firmware firmware;
    auto& by_guid = firmware.add(1);
    auto& by_signature = firmware.add(2);
    partition(by_guid, unique);
    std::uint32_t const signature = 0x1234'5678;
    std::memcpy(contents[&by_signature.block_io].data() + 440, &signature, sizeof signature);
    variables[u"Boot0000"] = entry(u"another's", partition_path(Bytes(16, 0xEE), 2));
    variables[u"Boot0001"] = entry(u"old", partition_path({0x78, 0x56, 0x34, 0x12}, 1));
    variables[u"Boot000A"] = entry(u"debian", partition_path(unique, 2));
    variables[u"Boot0003"] = entry(u"UEFI disk", Firmware::path_of(by_guid));
    Firmware::set_order({0, 1, 0xA, 3});
    firmware.arrange();
    CHECK(Firmware::order() == Numbers{0xA, 3, 1, 0});
}

TEST_CASE("entries of an earlier run are removed", "[firmware][boot_order]")
{
    Firmware firmware;
    auto& disk = firmware.add(0);
    variables[u"BootF000"] = entry(u"Porthole: disk 0", Firmware::path_of(disk));
    variables[u"Boot0001"] = entry(u"Shell", end_node());
    Firmware::set_order({0xF000, 1});
    firmware.arrange();
    CHECK(Firmware::order() == Numbers{1});
    CHECK(variables.count(u"BootF000") == 0);
}

TEST_CASE("a network card has its place among the disks", "[firmware][boot_order]")
{
    Firmware firmware;
    firmware.add(2);
    auto const& first = firmware.add_card(1);
    auto const& last = firmware.add_card(3);
    firmware.add_card(0);
    auto over_http = last; // whatever comes by the card is its
    over_http.ip4.node = {3, 24, sizeof over_http.ip4};
    variables[u"Boot0004"] = entry(u"UEFI HTTPv4", Firmware::bytes_of(over_http));
    Firmware::set_order({4});
    firmware.arrange();
    CHECK(Firmware::order() == Numbers{0xF800, 0xF000, 4});
    CHECK(variables[u"BootF800"] == entry(u"Porthole: network 0", Firmware::bytes_of(first)));
    auto const before = writes;
    variables[u"Boot0005"] = entry(u"UEFI PXEv4", Firmware::bytes_of(first));
    Firmware::set_order({0xF800, 0xF000, 4, 5});
    firmware.arrange(); // the firmware's own takes the place of ours
    CHECK(Firmware::order() == Numbers{5, 0xF000, 4});
    CHECK(writes > before);
}

TEST_CASE("entries that are none, and tables that are damaged, are left alone", "[firmware][boot_order]")
{
    Firmware firmware;
    auto& disk = firmware.add(1);
    partition(disk, Bytes(16, 1));
    contents[&disk.block_io][512 + 84] = 1; // an entry of that size is none
    Firmware::set_order({0, 1, 2, 3, 4});
    variables[u"Boot0000"] = {1, 0, 0};
    variables[u"Boot0001"] = entry(u"long", Bytes(5000, 4));
    auto& path_too_long = variables[u"Boot0002"] = entry(u"x", end_node());
    path_too_long[4] = 200;
    variables[u"Boot0003"] = entry(u"partition", partition_path(Bytes(16, 1), 2));
    firmware.arrange();
    CHECK(Firmware::order() == Numbers{0xF000, 0, 1, 2, 3, 4});
    CHECK(variables.count(u"Boot0001") == 1);
}

TEST_CASE("an entry that is somebody else's keeps its number", "[firmware][boot_order]")
{
    Firmware firmware;
    firmware.add(1);
    variables[u"BootF000"] = entry(u"another's", end_node());
    firmware.arrange();
    CHECK(Firmware::order() == Numbers{0xF001});
    CHECK(variables[u"BootF000"] == entry(u"another's", end_node()));
}
