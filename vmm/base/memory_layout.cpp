#include "vmm/base/memory_layout.hpp"

#include "vmm/base/user_error.hpp"

#include <algorithm>
#include <string>

namespace vmm {

namespace {

void check(std::uint64_t bytes)
{
    using namespace layout;
    if (bytes < min_memory) {
        throw UserError{"guest memory of " + std::to_string(bytes / kib) + " KiB is too small: give at least " +
                        std::to_string(min_memory / mib) + "M"};
    }
    if (bytes > max_memory) {
        throw UserError{"guest memory of " + std::to_string(bytes / gib) + " GiB is too large: give at most " +
                        std::to_string(max_memory / gib) + "G"};
    }
    if (bytes % hv::page_size != 0)
        throw UserError{"guest memory of " + std::to_string(bytes) + " bytes is not a multiple of 4 KiB"};
}

constexpr std::uint64_t whole_blocks(std::uint64_t bytes)
{
    return (bytes + layout::hot_add_block - 1) / layout::hot_add_block * layout::hot_add_block;
}

} // namespace

MemoryLayout::MemoryLayout(std::uint64_t bytes, std::uint64_t most) : bytes_{bytes}
{
    check(bytes);
    if (most > bytes) {
        check(most);
        auto const end = std::max(layout::mmio_hole.end(), bytes + layout::mmio_hole.size);
        hot_add_ = {hv::Gpa{whole_blocks(end)}, whole_blocks(most - bytes)};
    }

    auto const low = std::min(bytes, layout::mmio_hole.base.value);
    ram_[ram_count_++] = {hv::Gpa{0}, low};
    tell(layout::low_ram, MemoryKind::ram);
    tell(layout::extended_bios_data, MemoryKind::reserved);
    tell(layout::bios_area, MemoryKind::reserved);
    tell({layout::extended_ram, low - layout::extended_ram.value}, MemoryKind::ram);
    tell({layout::kvm_identity_map.base, layout::mmio_hole.end() - layout::kvm_identity_map.base.value},
         MemoryKind::reserved);
    if (low == bytes) return;

    ram_[ram_count_++] = {hv::Gpa{layout::mmio_hole.end()}, bytes - low};
    tell(ram_[1], MemoryKind::ram);
}

} // namespace vmm
