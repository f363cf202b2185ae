#include "vmm/memory/vm_memory.hpp"

#include <algorithm>

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

VmMemory::VmMemory(Vm& vm, AddressSpace& space, EntryGate& gate) : vm_{vm}, space_{space}, gate_{gate}
{
    space_.listen(*this);
}

VmMemory::~VmMemory()
{
    space_.stop_listening(*this);
}

/// Memory that goes for good, or comes anew, leaves nothing half done.
void VmMemory::map_changed(std::span<MemorySection const> removed, std::span<MemorySection const> added)
{
    if (std::ranges::none_of(removed, is_memory) || std::ranges::none_of(added, is_memory))
        return change(removed, added);
    EntryGate::Closed const closed{gate_};
    change(removed, added);
}

/// What has been done before something fails is done backwards.
void VmMemory::change(std::span<MemorySection const> removed, std::span<MemorySection const> added)
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
