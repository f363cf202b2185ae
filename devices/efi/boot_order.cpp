#include "devices/efi/boot_order.hpp"

namespace efi {

namespace {

constexpr Guid global_variables{0x8BE4DF61, 0x93CA, 0x11D2, {0xAA, 0x0D, 0x00, 0xE0, 0x98, 0x03, 0x2B, 0x8C}}; // §3.3
constexpr uint32_t kept_and_seen = 7; ///< attributes: non-volatile, of boot services and of the running system
constexpr size_t most_entries = 256;
constexpr size_t most_bytes = 4096; ///< of an entry that is looked at
constexpr uint32_t active = 1;      ///< §3.1.3
constexpr uint16_t first_of_our_disks = 0xF000;
constexpr uint16_t first_of_our_networks = 0xF800;

/// How descriptions of our entries begin.
constexpr char16_t mark[] = u"Porthole: "; // NOLINT(cppcoreguidelines-avoid-c-arrays): there is no C++ library
constexpr size_t mark_length = sizeof mark / sizeof mark[0] - 1;

char16_t order_name[] = u"BootOrder"; // NOLINT(cppcoreguidelines-avoid-c-arrays)

/// A list of entries' numbers.
struct Order {
    uint16_t numbers[most_entries];
    size_t count = 0;

    void add(uint16_t number)
    {
        if (count < most_entries) numbers[count++] = number;
    }
};

/// Whose an entry is.
struct Owner {
    Bootable* device;
    bool ours;
};

struct EntryName {
    char16_t text[9]; // "Boot####"
};

EntryName name_of(uint16_t number)
{
    EntryName name{{u'B', u'o', u'o', u't', 0, 0, 0, 0, 0}};
    for (unsigned n = 0; n < 4; ++n) {
        auto const digit = static_cast<unsigned>(number >> (12 - 4 * n)) & 0xF;
        name.text[4 + n] = static_cast<char16_t>(digit < 10 ? u'0' + digit : u'A' + (digit - 10));
    }
    return name;
}

bool equal(void const* one, void const* other, size_t size)
{
    auto const* const a = static_cast<uint8_t const*>(one);
    auto const* const b = static_cast<uint8_t const*>(other);
    for (size_t n = 0; n < size; ++n)
        if (a[n] != b[n]) return false;
    return true;
}

template <typename Number>
Number number_at(uint8_t const* bytes, size_t offset)
{
    Number value;
    __builtin_memcpy(&value, bytes + offset, sizeof value);
    return value;
}

/// Room for what one thing at a time needs: firmware has one thread here.
alignas(8) uint8_t entry_bytes[most_bytes];    // NOLINT(cppcoreguidelines-avoid-c-arrays)
alignas(8) uint8_t partition_bytes[16 * 1024]; // NOLINT(cppcoreguidelines-avoid-c-arrays)

/// Reads whole blocks from byte `offset` on, which is a multiple of a block's size. How many bytes; 0 when that
/// fails.
size_t read_disk(BlockIo& disk, uint64_t offset, size_t size)
{
    auto const block = disk.media->block_size;
    auto const whole = (size + block - 1) / block * block;
    if (whole > sizeof partition_bytes) return 0;
    auto const status = disk.read_blocks(&disk, disk.media->id, offset / block, whole, partition_bytes);
    return failed(status) ? 0 : whole;
}

/// Of a GUID partition table (§5.3).
bool has_partition(BlockIo& disk, Guid const& unique)
{
    constexpr size_t header_size = 92;
    constexpr uint32_t entry_size = 128;
    constexpr uint32_t most = sizeof partition_bytes / entry_size;
    auto const block = disk.media->block_size;
    if (read_disk(disk, block, header_size) == 0 || !equal(partition_bytes, "EFI PART", 8)) return false;
    auto const first = number_at<uint64_t>(partition_bytes, 72);
    auto const count = number_at<uint32_t>(partition_bytes, 80);
    if (number_at<uint32_t>(partition_bytes, 84) != entry_size || first > disk.media->last_block) return false;
    auto const looked_at = count < most ? count : most;
    if (looked_at == 0 || read_disk(disk, first * block, looked_at * size_t{entry_size}) == 0) return false;
    for (uint32_t n = 0; n < looked_at; ++n)
        if (equal(partition_bytes + n * size_t{entry_size} + 16, &unique, sizeof unique)) return true;
    return false;
}

/// Of a master boot record (§5.2.1).
bool has_signature(BlockIo& disk, uint32_t signature)
{
    return read_disk(disk, 0, 512) != 0 && number_at<uint32_t>(partition_bytes, 440) == signature;
}

/// Whether a hard drive node (§10.3.5.1), with which a short path begins, names a partition of this disk.
bool is_on(BlockIo& disk, uint8_t const* node)
{
    constexpr uint8_t by_signature = 1;
    constexpr uint8_t by_guid = 2;
    auto const kind = node[41];
    if (kind == by_guid) return has_partition(disk, number_at<Guid>(node, 24));
    return kind == by_signature && has_signature(disk, number_at<uint32_t>(node, 24));
}

Bootable* device_of_path(Bootable* devices, uint8_t const* path, size_t size)
{
    constexpr size_t hard_drive_size = 42;
    bool const hard_drive = size >= hard_drive_size && path[0] == 4 && path[1] == 1;
    for (auto* device = devices; device; device = device->next) {
        if (size >= device->own_size && equal(path, device->path, device->own_size)) return device;
        if (hard_drive && device->place != 0 && device->blocks && is_on(*device->blocks, path)) return device;
    }
    return nullptr;
}

/// Of an EFI_LOAD_OPTION (§3.1.3) of `size` bytes in `entry_bytes`.
Owner owner_of(Bootable* devices, size_t size)
{
    constexpr size_t description = 6;
    if (size < description) return {};
    size_t const path_size = number_at<uint16_t>(entry_bytes, 4);
    auto at = description;
    while (at + 2 <= size && number_at<uint16_t>(entry_bytes, at) != 0)
        at += 2;
    bool const ours = at - description >= mark_length * 2 && equal(entry_bytes + description, mark, mark_length * 2);
    at += 2;
    if (at > size || path_size > size - at) return {nullptr, ours};
    return {device_of_path(devices, entry_bytes + at, path_size), ours};
}

/// How many bytes came to `entry_bytes`; 0 for none, or too many.
size_t read_entry(RuntimeServices& runtime, uint16_t number)
{
    auto name = name_of(number);
    size_t size = sizeof entry_bytes;
    auto const status = runtime.get_variable(name.text, &global_variables, nullptr, &size, entry_bytes);
    return failed(status) ? 0 : size;
}

void remove_entry(RuntimeServices& runtime, uint16_t number)
{
    auto name = name_of(number);
    (void)runtime.set_variable(name.text, &global_variables, kept_and_seen, 0, nullptr);
}

bool is_free(RuntimeServices& runtime, uint16_t number)
{
    auto name = name_of(number);
    size_t size = 0;
    return runtime.get_variable(name.text, &global_variables, nullptr, &size, nullptr) == not_found;
}

size_t append(size_t at, void const* bytes, size_t size)
{
    auto const* const from = static_cast<uint8_t const*>(bytes);
    for (size_t n = 0; n < size; ++n)
        entry_bytes[at + n] = from[n];
    return at + size;
}

size_t append_kind(size_t at, Bootable::Kind kind)
{
    constexpr char16_t disk[] = u"disk ";       // NOLINT(cppcoreguidelines-avoid-c-arrays)
    constexpr char16_t disc[] = u"DVD ";        // NOLINT(cppcoreguidelines-avoid-c-arrays)
    constexpr char16_t network[] = u"network "; // NOLINT(cppcoreguidelines-avoid-c-arrays)
    switch (kind) {
    case Bootable::Kind::Disk: return append(at, disk, sizeof disk - 2);
    case Bootable::Kind::Disc: return append(at, disc, sizeof disc - 2);
    case Bootable::Kind::Network: return append(at, network, sizeof network - 2);
    }
    return at;
}

/// "Porthole: disk 12".
size_t append_description(size_t at, Bootable const& device)
{
    at = append(at, mark, mark_length * 2);
    at = append_kind(at, device.kind);
    for (uint32_t power = 100; power != 0; power /= 10) {
        auto const digit = static_cast<char16_t>(u'0' + device.unit / power % 10);
        if (device.unit >= power || power == 1) at = append(at, &digit, sizeof digit);
    }
    constexpr char16_t end = 0;
    return append(at, &end, sizeof end);
}

/// An entry for all of a disk, on which the firmware looks for \EFI\BOOT\BOOTX64.EFI, or for what a card is told to
/// boot.
void add_entry(RuntimeServices& runtime, Bootable const& device, Order& order)
{
    auto const first = device.kind == Bootable::Kind::Network ? first_of_our_networks : first_of_our_disks;
    auto number = static_cast<uint16_t>(first + device.unit);
    while (!is_free(runtime, number))
        if (++number == 0) return;
    auto size = append(0, &active, sizeof active);
    size = append(size, &device.path_size, sizeof device.path_size);
    size = append_description(size, device);
    size = append(size, device.path, device.path_size);
    auto name = name_of(number);
    if (!failed(runtime.set_variable(name.text, &global_variables, kept_and_seen, size, entry_bytes)))
        order.add(number);
}

/// What has the lowest place that is greater.
Bootable* next_in_order(Bootable* devices, uint32_t place)
{
    Bootable* found = nullptr;
    for (auto* device = devices; device; device = device->next)
        if (device->place > place && (!found || device->place < found->place)) found = device;
    return found;
}

struct Known {
    Order order; ///< as the variable has it, without ours of an earlier run
    Bootable* owners[most_entries];
    bool changed = false; ///< against the variable
};

/// What there is. False when that is more than this driver takes.
bool look_at_order(RuntimeServices& runtime, Bootable* devices, Known& known)
{
    static Order before;
    size_t size = sizeof before.numbers;
    auto const status = runtime.get_variable(order_name, &global_variables, nullptr, &size, before.numbers);
    if (failed(status) && status != not_found) return false;
    before.count = failed(status) ? 0 : size / sizeof before.numbers[0];
    known.order.count = 0;
    known.changed = false;
    for (size_t n = 0; n < before.count; ++n) {
        auto const number = before.numbers[n];
        auto const bytes = read_entry(runtime, number);
        auto const owner = owner_of(devices, bytes);
        if (owner.ours) {
            remove_entry(runtime, number);
            known.changed = true;
            continue;
        }
        known.owners[known.order.count] = owner.device;
        known.order.add(number);
    }
    return true;
}

void write_order(RuntimeServices& runtime, Order& order)
{
    auto const size = order.count * sizeof order.numbers[0];
    (void)runtime.set_variable(order_name, &global_variables, kept_and_seen, size, order.numbers);
}

} // namespace

void arrange_boot_order(RuntimeServices& runtime, Bootable* devices)
{
    static Known known;
    static Order wanted;
    if (!look_at_order(runtime, devices, known)) return;
    wanted.count = 0;
    for (auto* device = next_in_order(devices, 0); device; device = next_in_order(devices, device->place)) {
        auto const before = wanted.count;
        for (size_t n = 0; n < known.order.count; ++n)
            if (known.owners[n] == device) wanted.add(known.order.numbers[n]);
        if (wanted.count == before) add_entry(runtime, *device, wanted);
    }
    for (size_t n = 0; n < known.order.count; ++n)
        if (!known.owners[n] || known.owners[n]->place == 0) wanted.add(known.order.numbers[n]);
    bool const same = !known.changed && wanted.count == known.order.count &&
                      equal(wanted.numbers, known.order.numbers, wanted.count * sizeof wanted.numbers[0]);
    if (!same) write_order(runtime, wanted);
}

} // namespace efi
