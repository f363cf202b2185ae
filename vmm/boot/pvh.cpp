#include "vmm/boot/pvh.hpp"

#include "vmm/base/user_error.hpp"

#include <algorithm>
#include <array>
#include <cstring>
#include <span>
#include <vector>

namespace vmm {

namespace {

/// struct hvm_start_info, version 1.
struct StartInfo {
    std::uint32_t magic;
    std::uint32_t version;
    std::uint32_t flags;
    std::uint32_t module_count;
    std::uint64_t modules;
    std::uint64_t command_line;
    std::uint64_t rsdp;
    std::uint64_t memory_map;
    std::uint32_t memory_map_entries;
    std::uint32_t reserved;
};
static_assert(sizeof(StartInfo) == 56);

/// struct hvm_modlist_entry.
struct Module {
    std::uint64_t address;
    std::uint64_t size;
    std::uint64_t command_line;
    std::uint64_t reserved;
};
static_assert(sizeof(Module) == 32);

/// struct hvm_memmap_table_entry.
struct MapEntry {
    std::uint64_t address;
    std::uint64_t size;
    std::uint32_t type;
    std::uint32_t reserved;
};
static_assert(sizeof(MapEntry) == 24);

/// All that is handed over but for the command line.
struct Handover {
    StartInfo info;
    std::array<Module, max_modules> modules;
    std::array<MapEntry, 16> map;
};

constexpr std::uint32_t start_info_magic = 0x336E'C578;

/// What Linux takes by this way of booting (COMMAND_LINE_SIZE less one); it would drop the rest without a word.
constexpr std::uint64_t linux_command_line = 2047;

hv::Gpa checked_entry(LoadContext const& context, ElfImage const& image)
{
    if (!image.pvh_entry) {
        throw UserError{
            "the " + context.kernel.name() +
            " is an ELF file without a PVH note or a Multiboot header: use a bzImage, or build the kernel with "
            "CONFIG_PVH"};
    }
    auto const entry = *image.pvh_entry;
    auto const is_loaded = std::ranges::any_of(image.segments, [&](ElfSegment const& segment) {
        return segment.memory.base <= entry && entry.value < segment.memory.base.value + segment.file_size;
    });
    if (!is_loaded || entry.value >= layout::mmio_hole.end()) {
        throw UserError{"the " + context.kernel.name() +
                        " has its PVH entry outside what it loads: get another copy"};
    }
    return entry;
}

/// The table of modules, whose command lines are put where there is room.
std::vector<Module> hand_over_modules(LoadContext& context)
{
    std::vector<Module> out;
    for (auto const& [memory, name, text] : load_modules(context)) {
        auto const line = text.empty() ? 0 : write_text(context, text).value;
        out.push_back({memory.base.value, memory.size, line, 0});
    }
    return out;
}

/// Writes hvm_start_info, and what it points at, to `place`.
void hand_over(LoadContext const& context, MemoryRange const& place, hv::Gpa command_line,
               std::span<Module const> modules)
{
    auto const address = [&](std::size_t offset) { return place.base.value + offset; };
    Handover out{};
    out.info.magic = start_info_magic;
    out.info.version = 1;
    out.info.command_line = command_line.value;
    out.info.rsdp = context.request.rsdp.value;

    if (!modules.empty()) {
        out.info.module_count = static_cast<std::uint32_t>(modules.size());
        out.info.modules = address(offsetof(Handover, modules));
        std::ranges::copy(modules, out.modules.begin());
    }

    out.info.memory_map = address(offsetof(Handover, map));
    for (auto const& [range, kind] : context.layout.map()) {
        out.map.at(out.info.memory_map_entries++) = {range.base.value, range.size, static_cast<std::uint32_t>(kind),
                                                     0};
    }

    std::memcpy(host_address(context.memory, place), &out, sizeof out);
}

} // namespace

BootState load_pvh(LoadContext& context)
{
    auto const image = read_elf(context.kernel, context.head);
    auto const entry = checked_entry(context, image);

    load_segments(context.kernel, image, context.claims, context.memory);
    auto const command_line = write_command_line(context, context.request.cmdline, linux_command_line);
    auto const handover = context.claims.claim_boot_data(sizeof(Handover));
    hand_over(context, handover, command_line, hand_over_modules(context));

    return {.mode = BootState::Mode::protected_mode, .entry = entry, .rbx = handover.base.value};
}

} // namespace vmm
