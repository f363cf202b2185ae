#include "vmm/memory/vm_memory.hpp"

namespace vmm {

namespace {

bool is_memory(MemorySection const& section)
{
    return section.contents.type == MemoryType::Ram || section.contents.type == MemoryType::Rom;
}

void map(Vm& vm, MemorySection const& section)
{
    if (!is_memory(section)) return;
    vm.map({.base = section.range.base,
            .host = {section.contents.host, section.range.size},
            .read_only = section.contents.type == MemoryType::Rom});
}

void unmap(Vm& vm, MemorySection const& section)
{
    if (is_memory(section)) vm.unmap(section.range.base);
}

} // namespace

VmMemory::VmMemory(Vm& vm, AddressSpace& space) : vm_{vm}, space_{space}
{
    space_.listen(*this);
}

VmMemory::~VmMemory()
{
    space_.stop_listening(*this);
}

/// What has been done before something fails is done backwards.
void VmMemory::map_changed(std::span<MemorySection const> removed, std::span<MemorySection const> added)
{
    for (auto const& section : removed)
        unmap(vm_, section);
    auto next = added.begin();
    try {
        for (; next != added.end(); ++next)
            map(vm_, *next);
    } catch (...) {
        while (next != added.begin())
            unmap(vm_, *--next);
        for (auto const& section : removed)
            map(vm_, section);
        throw;
    }
}

} // namespace vmm
