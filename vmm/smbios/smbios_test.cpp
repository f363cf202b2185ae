// The tables' bytes, by the offsets of DMTF DSP0134 3.7.
#include "hv/testing/catch.hpp"
#include "hv/testing/value_at.hpp"
#include "vmm/boot/testing/guest.hpp"
#include "vmm/smbios/smbios.hpp"

#include <algorithm>
#include <cstring>
#include <map>
#include <numeric>
#include <string>

using namespace vmm;

namespace {

using hv::testing::value_at;

struct Structure {
    std::vector<std::byte> formatted;
    std::vector<std::string> texts;

    template <typename Number>
    [[nodiscard]] std::uint64_t number(std::size_t offset) const
    {
        return value_at<Number>(formatted, offset);
    }
    /// The text whose number is there (§6.1.3); empty for number 0.
    [[nodiscard]] std::string text(std::size_t offset) const
    {
        auto const n = std::to_integer<std::size_t>(formatted.at(offset));
        return n == 0 ? "" : texts.at(n - 1);
    }
};

/// Walks the structures as §6.1 says, and checks that their handles differ and that the last is the end.
std::multimap<unsigned, Structure> parse(std::span<std::byte const> bytes)
{
    std::multimap<unsigned, Structure> found;
    std::vector<unsigned> handles;
    unsigned last = 0;
    while (!bytes.empty()) {
        auto const length = std::to_integer<std::size_t>(bytes[1]);
        REQUIRE(length >= 4);
        REQUIRE(bytes.size() >= length + 2);
        Structure structure{{bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(length)}, {}};
        last = std::to_integer<unsigned>(bytes[0]);
        handles.push_back(value_at<std::uint16_t>(bytes, 2));
        bytes = bytes.subspan(length);
        if (bytes[0] == std::byte{0}) bytes = bytes.subspan(1); // no texts: two zeros
        while (bytes[0] != std::byte{0}) {
            std::string const text{reinterpret_cast<char const*>(bytes.data())};
            structure.texts.push_back(text);
            bytes = bytes.subspan(text.size() + 1);
        }
        bytes = bytes.subspan(1);
        found.emplace(last, std::move(structure));
    }
    CHECK(last == 127);
    std::ranges::sort(handles);
    CHECK(std::ranges::adjacent_find(handles) == handles.end());
    return found;
}

struct Tables {
    SmbiosOptions named{};
    MemoryLayout layout{std::uint64_t{512} << 20};
    smbios::ProcessorText processor{};
    unsigned cpus = 1;
    CpuTopology topology{};
    bool names_bios = false;

    [[nodiscard]] smbios::Config config() const { return {named, layout, processor, cpus, topology, names_bios}; }
    [[nodiscard]] std::multimap<unsigned, Structure> parsed() const { return parse(smbios::tables(config())); }
    [[nodiscard]] Structure only(unsigned type) const
    {
        auto const all = parsed();
        REQUIRE(all.count(type) == 1);
        return all.find(type)->second;
    }
};

} // namespace

TEST_CASE("a machine is what it is called", "[smbios]")
{
    Tables tables;
    tables.named = {.vendor = "Example, Inc.",
                    .product = "P",
                    .version = "V",
                    .serial = "S",
                    .sku = "K",
                    .family = "F",
                    .asset = "A",
                    .uuid = hv::vmbus::guid("00112233-4455-6677-8899-aabbccddeeff")};
    auto const system = tables.only(1); // §7.2
    CHECK(system.formatted.size() == 0x1B);
    CHECK(system.text(4) == "Example, Inc.");
    CHECK(system.text(5) == "P");
    CHECK(system.text(6) == "V");
    CHECK(system.text(7) == "S");
    // §7.2.1's own example: 33 22 11 00 55 44 77 66 88 99 AA BB CC DD EE FF
    CHECK(system.number<std::uint64_t>(8) == 0x6677'4455'0011'2233);
    CHECK(system.number<std::uint64_t>(16) == 0xFFEE'DDCC'BBAA'9988);
    CHECK(system.number<std::uint8_t>(0x18) == 6);
    CHECK(system.text(0x19) == "K");
    CHECK(system.text(0x1A) == "F");

    auto const chassis = tables.only(3); // §7.4
    CHECK(chassis.formatted.size() == 0x16);
    CHECK(chassis.text(4) == "Example, Inc.");
    CHECK(chassis.number<std::uint8_t>(5) == 1);
    CHECK(chassis.text(6) == "V");
    CHECK(chassis.text(7) == "S");
    CHECK(chassis.text(8) == "A");
}

TEST_CASE("a machine that nobody named is Porthole's, without a serial number and UUID", "[smbios]")
{
    auto const system = Tables{}.only(1);
    CHECK(system.text(4) == "Porthole");
    CHECK(system.text(5) == "Virtual Machine");
    CHECK(system.text(6) == PORTHOLE_VERSION);
    CHECK(system.text(7).empty());
    CHECK(system.number<std::uint64_t>(8) == 0);
    CHECK(Tables{}.parsed().count(11) == 0);
}

TEST_CASE("OEM strings stand in their order", "[smbios]")
{
    Tables tables;
    tables.named.oem = {"io.systemd.credential:one=1", "two"};
    auto const strings = tables.only(11); // §7.12
    CHECK(strings.number<std::uint8_t>(4) == 2);
    CHECK(strings.texts == tables.named.oem);
}

TEST_CASE("processors are cores of one", "[smbios]")
{
    auto const lookup = [](std::uint32_t function, std::uint32_t) -> hv::CpuidLeaf {
        switch (function) {
        case 0: return {0, 13, 0x756E'6547, 0x6C65'746E, 0x4965'6E69}; // "GenuineIntel"
        case 1: return {1, 0x0005'0654, 1, 2, 0x1F8B'FBFF};
        case 0x8000'0002: return {function, 0x2020'2020, 0x2055'5043, 0x0031'2020, 0}; // "    CPU   1"
        default: return {};
        }
    };
    Tables tables;
    tables.cpus = 6;
    tables.processor = smbios::describe_processor(lookup);
    auto const processor = tables.only(4); // §7.5
    CHECK(processor.formatted.size() == 0x30);
    CHECK(processor.text(4) == "CPU 0");
    CHECK(processor.number<std::uint8_t>(5) == 3);
    CHECK(processor.text(7) == "GenuineIntel");
    CHECK(processor.number<std::uint32_t>(8) == 0x0005'0654);
    CHECK(processor.number<std::uint32_t>(12) == 0x1F8B'FBFF);
    CHECK(processor.text(0x10) == "CPU   1");
    CHECK(processor.number<std::uint8_t>(0x18) == 0x41);
    for (auto const cache : {0x1A, 0x1C, 0x1E})
        CHECK(processor.number<std::uint16_t>(static_cast<std::size_t>(cache)) == 0xFFFF);
    for (auto const count : {0x23, 0x24, 0x25})
        CHECK(processor.number<std::uint8_t>(static_cast<std::size_t>(count)) == 6);
    CHECK(processor.number<std::uint16_t>(0x26) == 0b1100);
    for (auto const count : {0x2A, 0x2C, 0x2E})
        CHECK(processor.number<std::uint16_t>(static_cast<std::size_t>(count)) == 6);
}

TEST_CASE("there is a processor for each socket, with its cores and threads", "[smbios]")
{
    Tables tables;
    tables.cpus = 16;
    tables.topology = {2, 2};
    auto const all = tables.parsed();
    auto const [begin, end] = all.equal_range(4);
    REQUIRE(std::distance(begin, end) == 2);
    CHECK(begin->second.text(4) == "CPU 0");
    auto const& second = std::next(begin)->second;
    CHECK(second.text(4) == "CPU 1");
    CHECK(second.number<std::uint8_t>(0x23) == 4);
    CHECK(second.number<std::uint8_t>(0x25) == 8);
    CHECK(second.number<std::uint16_t>(0x26) == 0b1'1100);
    CHECK(second.number<std::uint16_t>(0x2E) == 8);
}

TEST_CASE("memory has its size and its ranges", "[smbios]")
{
    Tables tables;
    tables.layout = MemoryLayout{std::uint64_t{40} << 30};
    auto const array = tables.only(16); // §7.17
    CHECK(array.formatted.size() == 0x17);
    CHECK(array.number<std::uint32_t>(7) == 0x8000'0000);
    CHECK(array.number<std::uint16_t>(0x0D) == 1);
    CHECK(array.number<std::uint64_t>(0x0F) == std::uint64_t{40} << 30);
    auto const device = tables.only(17); // §7.18
    CHECK(device.formatted.size() == 0x28);
    CHECK(device.number<std::uint16_t>(4) == array.number<std::uint16_t>(2));
    CHECK(device.number<std::uint16_t>(0x0C) == 0x7FFF);
    CHECK(device.number<std::uint32_t>(0x1C) == 40 * 1024);
    auto const all = tables.parsed();
    auto const [begin, end] = all.equal_range(19); // §7.20
    REQUIRE(std::distance(begin, end) == 2);
    auto const& low = begin->second;
    auto const& high = std::next(begin)->second;
    CHECK(low.formatted.size() == 0x1F);
    CHECK(low.number<std::uint32_t>(4) == 0xFFFF'FFFF);
    CHECK(low.number<std::uint32_t>(8) == 0xFFFF'FFFF);
    CHECK(low.number<std::uint16_t>(0x0C) == array.number<std::uint16_t>(2));
    CHECK(low.number<std::uint64_t>(0x0F) == 0);
    CHECK(low.number<std::uint64_t>(0x17) == (std::uint64_t{3} << 30) - 1);
    CHECK(high.number<std::uint64_t>(0x0F) == std::uint64_t{4} << 30);
    CHECK(high.number<std::uint64_t>(0x17) == (std::uint64_t{41} << 30) - 1);

    CHECK(Tables{}.only(17).number<std::uint16_t>(0x0C) == 512);
    CHECK(Tables{}.only(17).number<std::uint32_t>(0x1C) == 0);
}

TEST_CASE("the machine has a firmware to name where it has no other", "[smbios]")
{
    CHECK(Tables{}.parsed().count(0) == 0);
    Tables tables;
    tables.names_bios = true;
    auto const bios = tables.only(0); // §7.1
    CHECK(bios.formatted.size() == 0x18);
    CHECK(bios.text(4) == "Porthole");
    CHECK(bios.text(5) == PORTHOLE_VERSION);
    CHECK(bios.text(8).size() == 10); // mm/dd/yyyy
    CHECK(bios.number<std::uint64_t>(0x0A) == 8);
    CHECK((bios.number<std::uint8_t>(0x13) & 0x10) != 0); // a virtual machine
}

TEST_CASE("who has no firmware finds the tables by their entry point", "[smbios]")
{
    testing::GuestRam ram{64 * layout::mib};
    Tables tables;
    tables.named.serial = std::string(SmbiosOptions::longest_text, 's');
    tables.named.oem.assign(SmbiosOptions::most_oem_strings, std::string(SmbiosOptions::longest_text, 'o'));
    for (auto* const text : {&tables.named.vendor, &tables.named.product, &tables.named.version, &tables.named.sku,
                             &tables.named.family, &tables.named.asset})
        *text = tables.named.serial; // as much as there can be
    tables.names_bios = true;
    smbios::build(ram.memory(), tables.config());

    std::vector<std::byte> found; // §5.2.2: on a multiple of 16 from 0xF0000 to 0xFFFFF
    for (std::uint64_t at = 0xF'0000; at < 0x10'0000; at += 16) {
        auto const* const place = ram.memory().at(hv::Gpa{at}, 24);
        REQUIRE(place);
        if (std::memcmp(place, "_SM3_", 5) == 0) found.assign(place, place + 24);
    }
    REQUIRE(found.size() == 24);
    CHECK(std::accumulate(found.begin(), found.end(), 0U,
                          [](unsigned sum, std::byte byte) { return sum + std::to_integer<unsigned>(byte); }) %
              256 ==
          0);
    CHECK(value_at<std::uint8_t>(found, 6) == 24);
    CHECK(value_at<std::uint16_t>(found, 7) == 3); // SMBIOS 3.0
    CHECK(value_at<std::uint8_t>(found, 10) == 1);
    auto const size = value_at<std::uint32_t>(found, 12);
    auto const address = value_at<std::uint64_t>(found, 16);
    REQUIRE(vmm::layout::smbios.contains({hv::Gpa{address}, size}));
    auto const* const place = ram.memory().at(hv::Gpa{address}, size);
    auto const expected = smbios::tables(tables.config());
    CHECK(std::ranges::equal(std::span{place, size}, expected));
    CHECK(parse(expected).count(11) == 1);
}
