#include "hv/testing/catch.hpp"
#include "vmm/memory/pc_memory.hpp"

#include <string>

using vmm::MemoryRange;
namespace layout = vmm::layout;

namespace {

std::string owner_of(vmm::AddressSpace const& space, std::uint64_t address)
{
    auto const section = space.find(hv::Gpa{address});
    return section ? space.owner(*section) : "";
}

} // namespace

TEST_CASE("each part of a PC's memory map has its owner", "[memory]")
{
    vmm::PcMemory memory{vmm::MemoryLayout{4 * layout::gib}};
    auto const& space = memory.space();

    CHECK(owner_of(space, 0) == "RAM");
    CHECK(owner_of(space, 5 * layout::gib - 1) == "RAM");
    CHECK(owner_of(space, 5 * layout::gib).empty());
    CHECK(owner_of(space, 0xC000'0000).empty());
    CHECK(owner_of(space, 0xF000'0000) == "VMBus devices");
    CHECK(owner_of(space, 0xFEC0'0000) == "the I/O APIC");
    CHECK(owner_of(space, 0xFEE0'0000) == "the local APICs");
    CHECK(owner_of(space, 0xFEFF'C000) == "KVM's identity map");
    CHECK(owner_of(space, 0xFEFF'F000) == "KVM's task state segment");
}

TEST_CASE("a firmware image of 16 MiB has room at the end of the MMIO hole", "[memory]")
{
    vmm::PcMemory memory{vmm::MemoryLayout{layout::min_memory}};
    CHECK_NOTHROW(memory.space().claim({hv::Gpa{0xFF00'0000}, 16 * layout::mib}, {vmm::MemoryType::Mmio}, "flash"));
    CHECK_THROWS_AS(
        memory.space().claim({hv::Gpa{0xFE00'0000}, 32 * layout::mib}, {vmm::MemoryType::Mmio}, "too much flash"),
        vmm::AddressConflict);
}
