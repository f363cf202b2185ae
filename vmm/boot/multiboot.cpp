#include "vmm/boot/multiboot.hpp"

#include "vmm/base/user_error.hpp"
#include "vmm/boot/elf_image.hpp"

#include <algorithm>
#include <array>
#include <cstring>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

namespace vmm {

namespace {

// The header in the file, §3.1.
constexpr std::uint32_t header_magic = 0x1BAD'B002;
constexpr std::uint32_t flag_align_modules = 1U << 0; // they always are
constexpr std::uint32_t flag_memory_info = 1U << 1;   // it always is given
constexpr std::uint32_t flag_addresses = 1U << 16;
constexpr std::uint32_t required_flags = 0xFFFF; ///< a loader that lacks one of these must refuse, §3.1.2
constexpr std::size_t header_limit = 8192;
constexpr std::size_t header_alignment = 4;
static_assert(head_size >= header_limit);

struct Header {
    std::uint32_t magic;
    std::uint32_t flags;
    std::uint32_t checksum;
};
static_assert(sizeof(Header) == 12);

/// What follows the header when flag_addresses is set, §3.1.3. All are physical.
struct Addresses {
    std::uint32_t header;
    std::uint32_t load;
    std::uint32_t load_end; ///< 0: all of the file
    std::uint32_t bss_end;  ///< 0: nothing behind load_end
    std::uint32_t entry;
};
static_assert(sizeof(Addresses) == 20);

// What is handed over, §3.2 and §3.3.
constexpr std::uint32_t loader_magic = 0x2BAD'B002;
constexpr std::uint32_t has_memory = 1U << 0;
constexpr std::uint32_t has_command_line = 1U << 2;
constexpr std::uint32_t has_modules = 1U << 3;
constexpr std::uint32_t has_memory_map = 1U << 6;
constexpr std::uint32_t has_loader_name = 1U << 9;

struct Info {
    std::uint32_t flags;
    std::uint32_t memory_lower; ///< KiB
    std::uint32_t memory_upper; ///< KiB above 1 MiB, up to the first hole
    std::uint32_t boot_device;
    std::uint32_t command_line;
    std::uint32_t module_count;
    std::uint32_t modules;
    std::array<std::uint32_t, 4> symbols;
    std::uint32_t memory_map_length; ///< bytes
    std::uint32_t memory_map;
    std::uint32_t drives_length;
    std::uint32_t drives;
    std::uint32_t configuration_table;
    std::uint32_t loader_name;
    std::uint32_t apm_table;
    std::array<std::uint32_t, 11> video;
};
static_assert(sizeof(Info) == 116 && offsetof(Info, memory_map_length) == 44 && offsetof(Info, loader_name) == 64);

struct Module {
    std::uint32_t start;
    std::uint32_t end;
    std::uint32_t text;
    std::uint32_t reserved;
};
static_assert(sizeof(Module) == 16);

struct [[gnu::packed]] MapEntry {
    std::uint32_t size; ///< of what follows
    std::uint64_t address;
    std::uint64_t length;
    std::uint32_t type;
};
static_assert(sizeof(MapEntry) == 24);

constexpr std::string_view loader_name{"Porthole"};

/// All that is handed over but for the command line.
struct Handover {
    Info info;
    std::array<Module, max_modules> modules;
    std::array<MapEntry, 16> map;
    std::array<char, 16> loader; ///< with its terminating zero
};
static_assert(loader_name.size() < sizeof(Handover::loader));

[[noreturn]] void refuse(LoadContext const& context, std::string const& why)
{
    throw UserError{"the " + context.kernel.name() + " " + why};
}

/// The offset of the header in the file.
std::optional<std::size_t> find_header(std::span<std::byte const> head)
{
    auto const limit = std::min(head.size(), header_limit);
    for (std::size_t at = 0; at + sizeof(Header) <= limit; at += header_alignment) {
        Header header{};
        std::memcpy(&header, head.data() + at, sizeof header);
        if (header.magic == header_magic && header.magic + header.flags + header.checksum == 0) return at;
    }
    return std::nullopt;
}

Header checked_header(LoadContext const& context, std::size_t at)
{
    Header header{};
    std::memcpy(&header, context.head.data() + at, sizeof header);
    if (header.flags & required_flags & ~(flag_align_modules | flag_memory_info))
        refuse(context,
               "asks its loader for a video mode, or for more, which Porthole does not have: use another kernel");
    return header;
}

/// Loads a file that says itself where it goes, whatever its format. Returns its entry.
hv::Gpa load_by_addresses(LoadContext& context, std::size_t header_at)
{
    Addresses addresses{};
    if (std::min(context.head.size(), header_limit) - header_at < sizeof(Header) + sizeof addresses)
        refuse(context, "has a Multiboot header that is cut off: get a complete copy");
    std::memcpy(&addresses, context.head.data() + header_at + sizeof(Header), sizeof addresses);

    auto const before_header = std::uint64_t{addresses.header} - addresses.load;
    if (addresses.load > addresses.header || before_header > header_at)
        refuse(context, "has a Multiboot header that is not where it says: get another copy");
    auto const offset = header_at - before_header;

    auto const load = std::uint64_t{addresses.load};
    auto const load_end = addresses.load_end ? addresses.load_end : load + (context.kernel.size() - offset);
    auto const end = addresses.bss_end ? addresses.bss_end : load_end;
    if (load_end <= load || end < load_end)
        refuse(context, "has addresses in its Multiboot header that contradict each other: get another copy");
    if (!context.kernel.contains(offset, load_end - load)) refuse(context, "is truncated: get a complete copy");
    if (addresses.entry < load || addresses.entry >= load_end)
        refuse(context, "has its entry outside what it loads: get another copy");

    context.claims.claim({hv::Gpa{load}, end - load}, "the kernel");
    context.kernel.load(offset, {hv::Gpa{load}, load_end - load}, context.memory);
    return hv::Gpa{addresses.entry};
}

/// The physical address of the ELF header's entry, which is virtual where a kernel tells the two apart.
hv::Gpa elf_entry(LoadContext const& context, ElfImage const& image)
{
    auto const segment = std::ranges::find_if(image.segments, [&](ElfSegment const& candidate) {
        return image.entry - candidate.virtual_address < candidate.file_size;
    });
    if (segment == image.segments.end()) refuse(context, "has its entry outside what it loads: get another copy");

    auto const entry = segment->memory.base.value + (image.entry - segment->virtual_address);
    if (entry >= layout::mmio_hole.end())
        refuse(context, "has its entry above 4 GiB, where 32-bit code does not reach: use another kernel");
    return hv::Gpa{entry};
}

hv::Gpa load_elf(LoadContext& context)
{
    if (!is_elf(context.head))
        refuse(context,
               "has a Multiboot header, but is no ELF file and does not say where it goes: give the kernel's "
               "ELF file");
    auto const image = read_elf(context.kernel, context.head);
    auto const entry = elf_entry(context, image);
    load_segments(context.kernel, image, context.claims, context.memory);
    return entry;
}

/// The table of modules, whose names and command lines are put where there is room. As with the kernel's own command
/// line, a module's begins with its name: kernels pass over the first word, and some cannot do without one.
std::vector<Module> hand_over_modules(LoadContext& context)
{
    std::vector<Module> out;
    for (auto const& [memory, name, text] : load_modules(context)) {
        auto const line = write_text(context, text.empty() ? name : name + " " + text);
        out.push_back({static_cast<std::uint32_t>(memory.base.value), static_cast<std::uint32_t>(memory.end()),
                       static_cast<std::uint32_t>(line.value), 0});
    }
    return out;
}

/// Writes the information structure, and what it points at, to `place`.
void hand_over(LoadContext const& context, MemoryRange const& place, hv::Gpa command_line,
               std::span<Module const> modules)
{
    auto const address = [&](std::size_t offset) { return static_cast<std::uint32_t>(place.base.value + offset); };
    Handover out{};
    out.info.flags = has_memory | has_command_line | has_modules | has_memory_map | has_loader_name;
    out.info.memory_lower = static_cast<std::uint32_t>(layout::low_ram.size / layout::kib);
    out.info.memory_upper =
        static_cast<std::uint32_t>((context.layout.low_end().value - layout::extended_ram.value) / layout::kib);
    out.info.command_line = static_cast<std::uint32_t>(command_line.value);

    out.info.modules = address(offsetof(Handover, modules));
    out.info.module_count = static_cast<std::uint32_t>(modules.size());
    std::ranges::copy(modules, out.modules.begin());

    out.info.memory_map = address(offsetof(Handover, map));
    std::size_t entries = 0;
    for (auto const& [range, kind] : context.layout.map()) {
        out.map.at(entries++) = {sizeof(MapEntry) - sizeof(MapEntry::size), range.base.value, range.size,
                                 static_cast<std::uint32_t>(kind)};
    }
    out.info.memory_map_length = static_cast<std::uint32_t>(entries * sizeof(MapEntry));

    out.info.loader_name = address(offsetof(Handover, loader));
    std::ranges::copy(loader_name, out.loader.begin());

    std::memcpy(host_address(context.memory, place), &out, sizeof out);
}

} // namespace

bool is_multiboot(std::span<std::byte const> head)
{
    return find_header(head).has_value();
}

BootState load_multiboot(LoadContext& context)
{
    auto const at = find_header(context.head).value();
    auto const header = checked_header(context, at);
    auto const entry = header.flags & flag_addresses ? load_by_addresses(context, at) : load_elf(context);

    // As QEMU and GRUB's first generation do, and as test kernels expect: the first word is the kernel's own name.
    auto const name = context.request.kernel.filename().string();
    auto const command_line = write_command_line(context, name + " " + context.request.cmdline, max_command_line);
    auto const handover = context.claims.claim_boot_data(sizeof(Handover));
    hand_over(context, handover, command_line, hand_over_modules(context));

    return {.mode = BootState::Mode::protected_mode, .entry = entry, .rbx = handover.base.value, .rax = loader_magic};
}

} // namespace vmm
