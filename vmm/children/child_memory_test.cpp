/// The memory of a child whose parent is a child itself: pages of its parent's, which that has from its own.
#include "hv/abi/child.hpp"
#include "hv/testing/catch.hpp"
#include "vmm/children/child_memory.hpp"
#include "vmm/hypervisor/testing/scripted_hypervisor.hpp"

#include <cstring>
#include <memory>
#include <vector>

using hv::GpaAccess;
using hv::GpaRun;
using Pages = std::vector<std::uint64_t>;

namespace {

constexpr auto nothing = GpaRun::no_page;

/// A guest, its child, and the child's.
struct Line {
    std::shared_ptr<vmm::PcMemory> guest = std::make_shared<vmm::PcMemory>(vmm::MemoryLayout{32 * vmm::layout::mib});
    std::shared_ptr<vmm::ParentMemory> ram = std::make_shared<vmm::GuestsMemory>(guest);
    vmm::testing::FaultPlan faults;
    vmm::testing::FaultPlan childs_faults;
    vmm::testing::ScriptedVm childs_vm{childs_faults, {}};
    vmm::testing::ScriptedVm vm{faults, {}};
    std::shared_ptr<vmm::ChildMemory> child = std::make_shared<vmm::ChildMemory>(childs_vm, ram);
    std::unique_ptr<vmm::ChildMemory> grandchild = std::make_unique<vmm::ChildMemory>(vm, child);

    static constexpr GpaRun childs{0x10, 0x200, 8, GpaAccess::ReadWrite};
    static constexpr GpaRun grandchilds{0x40, 0x12, 4, GpaAccess::ReadWrite};

    Line()
    {
        REQUIRE(child->change({{}, {childs}}));
        REQUIRE(grandchild->change({{}, {grandchilds}}));
    }

    [[nodiscard]] std::byte* page(std::uint64_t number) const
    {
        return guest->memory().page(hv::Gpa{number * hv::page_size});
    }
    [[nodiscard]] std::byte* seen(std::uint64_t number) const
    {
        return grandchild->writable().page(hv::Gpa{number * hv::page_size});
    }
    /// How many pages the virtual machine has.
    [[nodiscard]] std::uint64_t mapped() const
    {
        std::uint64_t bytes = 0;
        for (auto const& [base, mapping] : vm.record().memory)
            bytes += mapping.host.size();
        return bytes / hv::page_size;
    }
};

} // namespace

TEST_CASE("a grandchild has what its parent has at those pages", "[children][memory]")
{
    Line const line;
    CHECK(line.mapped() == 4);
    CHECK(line.seen(0x40) == line.page(0x202));
    CHECK(line.seen(0x43) == line.page(0x205));
    CHECK_FALSE(line.seen(0x44));
}

TEST_CASE("a grandchild loses what its parent loses, and has it when that gets it again", "[children][memory]")
{
    Line const line;
    GpaRun const front{0x10, 0x200, 3, GpaAccess::ReadWrite};
    REQUIRE(line.child->change({{Line::childs}, {front}}));
    CHECK(line.mapped() == 1);
    CHECK(line.seen(0x40) == line.page(0x202));
    CHECK_FALSE(line.seen(0x41));

    GpaRun const elsewhere{0x13, 0x300, 1, GpaAccess::Read};
    GpaRun const absent{0x14, nothing, 1, GpaAccess::None};
    REQUIRE(line.child->change({{}, {elsewhere, absent}}));
    CHECK(line.mapped() == 2);
    CHECK_FALSE(line.seen(0x41)); // for reading only, as its parent has it
    CHECK(line.grandchild->readable().page(hv::Gpa{0x41'000}) == line.page(0x300));

    REQUIRE(line.child->change({{front, elsewhere, absent}, {Line::childs}}));
    CHECK(line.mapped() == 4);
    CHECK(line.seen(0x43) == line.page(0x205));
}

TEST_CASE("a grandchild may not write to what its parent may only read", "[children][memory]")
{
    Line const line;
    REQUIRE(line.child->change({{Line::childs}, {{0x10, 0x200, 8, GpaAccess::Read}}}));
    CHECK(line.mapped() == 4);
    CHECK_FALSE(line.seen(0x40));
    CHECK(line.vm.record().memory.at(0x40 * hv::page_size).read_only);
}

TEST_CASE("pages that a child has put into pools are out of its reach, wherever they come from", "[children][memory]")
{
    Line const line;
    std::memset(line.page(0x200), 0x5A, hv::page_size);
    CHECK(line.child->hide(Pages{0x10, 0x11, 0x17}));
    auto const reach = [&](std::uint64_t number) {
        return line.child->writable().page(hv::Gpa{number * hv::page_size});
    };
    CHECK_FALSE(reach(0x10));
    CHECK(reach(0x12) == line.page(0x202));
    CHECK_FALSE(reach(0x17));
    REQUIRE(line.child->change({{Line::childs}, {{0x10, 0x280, 8, GpaAccess::ReadWrite}}}));
    CHECK_FALSE(reach(0x11));
    CHECK(reach(0x12) == line.page(0x282));
    CHECK(line.seen(0x40) == line.page(0x282));
    std::memset(line.page(0x280), 0x5A, hv::page_size);
    line.child->show(Pages{0x10});
    CHECK(reach(0x10) == line.page(0x280));
    CHECK(*line.page(0x280) == std::byte{0});
    CHECK(*line.page(0x200) == std::byte{0x5A}); // which is another's now
    CHECK_FALSE(reach(0x11));
}

TEST_CASE("a child's memory is split only so far, and a refusal has taken nothing", "[children][memory]")
{
    Line const line;
    REQUIRE(line.child->change({{Line::childs}, {{0, 0x200, 0x1000, GpaAccess::ReadWrite}}}));
    Pages every_second;
    for (std::uint64_t n = 0; n < vmm::ChildMemory::most_hidden_runs; ++n)
        every_second.push_back(0x400 + 2 * n);
    CHECK(line.child->hide(every_second));
    CHECK_FALSE(line.child->hide(Pages{0x300}));
    CHECK(line.child->writable().page(hv::Gpa{0x300'000}));
    CHECK(line.child->hide(Pages{0x401}));
}

TEST_CASE("what a grandchild may write to counts as written by its parent", "[children][memory]")
{
    Line const line;
    std::vector<std::uint8_t> states(8);
    namespace flag = hv::abi::access_flag;
    REQUIRE(line.child->access_states(0x10, flag::clear_dirty, states));
    REQUIRE(line.child->access_states(0x10, 0, states));
    constexpr auto clean = hv::abi::page_access::accessed;
    constexpr auto dirty = static_cast<std::uint8_t>(clean | hv::abi::page_access::dirty);
    CHECK(states == std::vector<std::uint8_t>{clean, clean, dirty, dirty, dirty, dirty, clean, clean});
}

TEST_CASE("a grandchild whose memory cannot be mapped again has none there, and its parent goes on",
          "[children][memory]")
{
    Line line;
    line.faults.fail(vmm::testing::Call::Map);
    GpaRun const moved{0x10, 0x280, 8, GpaAccess::ReadWrite};
    CHECK(line.child->change({{Line::childs}, {moved}}));
    CHECK(line.mapped() == 0);
    CHECK_FALSE(line.seen(0x40));
    CHECK(line.child->writable().page(hv::Gpa{0x10'000}) == line.page(0x280));
}

TEST_CASE("a child's memory may end before that of its children, which have none then", "[children][memory]")
{
    Line line;
    line.child->end();
    CHECK(line.mapped() == 0);
    CHECK_FALSE(line.seen(0x40));
    line.child.reset();
    line.grandchild.reset();
}
