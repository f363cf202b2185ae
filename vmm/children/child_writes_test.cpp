/// Which of its pages a child has written to, as its virtual machine logs it.
#include "hv/abi/child.hpp"
#include "hv/testing/catch.hpp"
#include "vmm/children/child_memory.hpp"
#include "vmm/hypervisor/testing/scripted_hypervisor.hpp"

#include <vector>

using hv::GpaAccess;
using hv::GpaChange;
using hv::GpaRun;
namespace flag = hv::abi::access_flag;

namespace {

struct Child {
    std::shared_ptr<vmm::ParentMemory> parents = std::make_shared<vmm::GuestsMemory>(
        std::make_shared<vmm::PcMemory>(vmm::MemoryLayout{32 * vmm::layout::mib}));
    vmm::testing::FaultPlan faults;
    vmm::testing::ScriptedVm vm{faults, {}};
    vmm::ChildMemory memory{vm, parents};

    /// A bit for each of eight pages: dirty.
    [[nodiscard]] unsigned dirty(std::uint64_t flags = 0)
    {
        std::vector<std::uint8_t> states(8);
        REQUIRE(memory.access_states(0, flags, states));
        unsigned bits = 0;
        for (std::size_t i = 0; i < states.size(); ++i)
            if ((states[i] & hv::abi::page_access::dirty) != 0) bits |= 1U << i;
        return bits;
    }
    void write(std::uint64_t page) { vm.dirty(hv::Gpa{page * hv::page_size}); }
};

} // namespace

TEST_CASE("a child's pages are all dirty at first, and later those that it has written to (Linux, hvhdk_mini.h)",
          "[children][memory]")
{
    Child child;
    REQUIRE(child.memory.change({{}, {{1, 0x200, 4, GpaAccess::ReadWrite}, {6, 0x300, 1, GpaAccess::ReadWrite}}}));
    CHECK_FALSE(child.vm.record().memory.at(hv::page_size).logs_writes);
    CHECK(child.dirty(flag::clear_dirty) == 0b101'1110);
    CHECK(child.vm.record().memory.at(hv::page_size).logs_writes);
    CHECK(child.dirty() == 0);
    child.write(3);
    child.write(6);
    CHECK(child.dirty() == 0b100'1000);
    CHECK(child.dirty(flag::clear_accessed) == 0b100'1000);
    CHECK(child.dirty(flag::set_dirty) == 0);
    CHECK(child.dirty() == 0b101'1110);
}

TEST_CASE("what a child has written to is known still when its map changes around it", "[children][memory]")
{
    Child child;
    GpaRun const before{1, 0x200, 3, GpaAccess::ReadWrite};
    REQUIRE(child.memory.change({{}, {before}}));
    (void)child.dirty(flag::clear_dirty);
    child.write(2);
    GpaRun const joined{1, 0x200, 4, GpaAccess::ReadWrite};
    REQUIRE(child.memory.change({{before}, {joined}}));
    CHECK(child.dirty() == 0b1'0100); // and the new one
    GpaRun const moved{1, 0x280, 4, GpaAccess::ReadWrite};
    (void)child.dirty(flag::clear_dirty);
    REQUIRE(child.memory.change({{joined}, {moved}}));
    CHECK(child.dirty() == 0b1'1110);
    REQUIRE(child.memory.change({{moved}, {{1, GpaRun::no_page, 4, GpaAccess::None}}}));
    CHECK(child.dirty() == 0);
}
