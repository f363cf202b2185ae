#include "runtime/start_info.hpp"

#include "runtime/memory.hpp"

extern "C" guest::u64 start_info_address;
extern "C" guest::u32 boot_eax;

namespace guest {

namespace {

/// Xen public/arch-x86/hvm/start_info.h, as docs/misc/pvh.pandoc describes it.
struct StartInfo {
    u32 magic;
    u32 version;
    u32 flags;
    u32 module_count;
    u64 modules;
    u64 command_line;
    u64 rsdp;
};
constexpr u32 start_info_magic = 0x336E'C578;

/// Multiboot Specification 0.6.96, 3.3: as far as we read it.
struct MultibootInfo {
    u32 flags;
    u32 memory_and_boot_device[3];
    u32 command_line;
};
constexpr u32 multiboot_magic = 0x2BAD'B002;
constexpr u32 multiboot_has_command_line = 1u << 2;

/// Where firmware, or a VMM in its place, leaves the RSDP of a BIOS machine (ACPI 6.4, 5.2.5.1).
constexpr u64 rsdp_area_begin = 0xE'0000;
constexpr u64 rsdp_area_end = 0x10'0000;
constexpr u64 mapped_bytes = u64{1} << 32;

/// ACPI 6.4, sections 5.2.5.3, 5.2.6 and 5.2.12.
struct [[gnu::packed]] Rsdp {
    char signature[8];
    u8 checksum;
    char oem[6];
    u8 revision;
    u32 rsdt;
    u32 length;
    u64 xsdt;
};
struct [[gnu::packed]] TableHeader {
    char signature[4];
    u32 length;
    u8 rest[28];
};
static_assert(sizeof(TableHeader) == 36);
struct [[gnu::packed]] LocalApic {
    u8 type;
    u8 length;
    u8 processor;
    u8 id;
    u32 flags;
};
constexpr char const* rsdp_signature = "RSD PTR ";
constexpr u64 rsdp_signature_size = 8;
constexpr u8 local_apic_entry = 0;
constexpr u32 madt_fixed_part = sizeof(TableHeader) + 8;

char line[1024];
u64 rsdp_address;

template <typename T>
T const* at(u64 address)
{
    return address && address < mapped_bytes ? reinterpret_cast<T const*>(address) : nullptr;
}

template <typename T>
T read_unaligned(u64 address)
{
    T value{};
    memcpy(&value, reinterpret_cast<void const*>(address), sizeof value);
    return value;
}

void add_processors(TableHeader const& madt, ApicIds& ids)
{
    auto const begin = reinterpret_cast<u64>(&madt);
    for (auto entry = begin + madt_fixed_part; entry + 2 <= begin + madt.length;) {
        auto const header = read_unaligned<LocalApic>(entry);
        if (header.length < 2) return;
        bool const enabled = header.flags & 1;
        if (header.type == local_apic_entry && enabled && ids.count < GUEST_MAX_CPUS) ids.id[ids.count++] = header.id;
        entry += header.length;
    }
}

void read_madt(ApicIds& ids)
{
    auto const* const rsdp = at<Rsdp>(rsdp_address);
    if (!rsdp || memcmp(rsdp->signature, rsdp_signature, rsdp_signature_size) != 0) return;
    bool const wide = rsdp->revision >= 2 && rsdp->xsdt;
    auto const root_address = wide ? rsdp->xsdt : rsdp->rsdt;
    auto const* const root = at<TableHeader>(root_address);
    if (!root) return;
    auto const step = wide ? 8u : 4u;
    for (u64 entry = sizeof(TableHeader); entry + step <= root->length; entry += step) {
        auto const address =
            wide ? read_unaligned<u64>(root_address + entry) : read_unaligned<u32>(root_address + entry);
        auto const* const table = at<TableHeader>(address);
        if (table && memcmp(table->signature, "APIC", 4) == 0) return add_processors(*table, ids);
    }
}

void copy_command_line(u64 address)
{
    auto const* const text = at<char>(address);
    for (unsigned i = 0; text && text[i] && i + 1 < sizeof line; ++i)
        line[i] = text[i];
}

u64 find_rsdp()
{
    for (auto address = rsdp_area_begin; address < rsdp_area_end; address += 16) {
        if (memcmp(at<char>(address), rsdp_signature, rsdp_signature_size) == 0) return address;
    }
    return 0;
}

} // namespace

void read_start_info()
{
    if (auto const* const info = at<StartInfo>(start_info_address); info && info->magic == start_info_magic) {
        rsdp_address = info->rsdp;
        return copy_command_line(info->command_line);
    }
    if (boot_eax != multiboot_magic) return;
    auto const* const info = at<MultibootInfo>(start_info_address);
    if (info->flags & multiboot_has_command_line) copy_command_line(info->command_line);
    rsdp_address = find_rsdp();
}

char const* command_line()
{
    return line;
}

char const* option(char const* key)
{
    static char value[128];
    value[0] = 0;
    for (auto const* word = line; *word;) {
        unsigned length = 0;
        while (key[length] && word[length] == key[length])
            ++length;
        if (!key[length] && word[length] == '=') {
            auto const* const from = word + length + 1;
            unsigned i = 0;
            for (; from[i] && from[i] != ' ' && i + 1 < sizeof value; ++i)
                value[i] = from[i];
            value[i] = 0;
            return value;
        }
        while (*word && *word != ' ')
            ++word;
        while (*word == ' ')
            ++word;
    }
    return value;
}

u64 numeric_option(char const* key)
{
    u64 value = 0;
    for (auto const* digit = option(key); *digit >= '0' && *digit <= '9'; ++digit)
        value = value * 10 + static_cast<u64>(*digit - '0');
    return value;
}

void find_processors(ApicIds& ids)
{
    read_madt(ids);
    if (ids.count) return;
    auto const wanted = numeric_option("cpus");
    for (u32 i = 0; i < wanted && i < GUEST_MAX_CPUS; ++i)
        ids.id[ids.count++] = i;
}

} // namespace guest
