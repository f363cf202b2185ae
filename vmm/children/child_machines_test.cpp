/// A parent's pages in the memory pools of its children, as its address space has them.
#include "hv/testing/catch.hpp"
#include "hv/testing/world.hpp"
#include "vmm/children/child_machines.hpp"
#include "vmm/hypervisor/testing/scripted_hypervisor.hpp"

#include <cstring>
#include <vector>

using Pages = std::vector<std::uint64_t>;
using vmm::ChildMachines;

namespace {

struct Parent {
    std::shared_ptr<vmm::PcMemory> memory = std::make_shared<vmm::PcMemory>(vmm::MemoryLayout{32 * vmm::layout::mib});
    vmm::testing::ScriptedHypervisor hypervisor;
    std::unique_ptr<vmm::Vm> vm = hypervisor.create_vm({});
    vmm::TscClock clock{vm->add_vcpu(0)};
    vmm::PauseGate pause;
    ChildMachines children{{hypervisor, clock, pause, {2, 4}, false}, memory};

    [[nodiscard]] std::byte* page(std::uint64_t number) const
    {
        return memory->memory().page(hv::Gpa{number * hv::page_size});
    }
    [[nodiscard]] std::size_t sections() const { return memory->space().sections().size(); }
};

} // namespace

TEST_CASE("pages that are taken from a parent are holes, and come back as zeros", "[children][memory]")
{
    Parent parent;
    auto const before = parent.memory->space().sections();
    auto* const content = parent.page(0x101);
    REQUIRE(content);
    std::memset(content, 0x5A, hv::page_size);
    CHECK(parent.children.hide(Pages{0x101, 0x105, 0x102}));
    for (auto const number : Pages{0x101, 0x102, 0x105})
        CHECK_FALSE(parent.page(number));
    CHECK(parent.page(0x100));
    CHECK(parent.page(0x103));
    auto const hole = parent.memory->space().find(hv::Gpa{0x101'000});
    REQUIRE(hole);
    CHECK(hole->contents.type == vmm::MemoryType::Hole);
    CHECK(hole->range == vmm::MemoryRange{hv::Gpa{0x101'000}, 2 * hv::page_size}); // neighbours are one

    parent.children.show(Pages{0x101});
    CHECK(parent.page(0x101) == content);
    CHECK(*content == std::byte{0});
    CHECK_FALSE(parent.page(0x102));
    parent.children.show(Pages{0x105, 0x102});
    CHECK(parent.memory->space().sections() == before);
}

TEST_CASE("runs of taken pages join and split, in any order", "[children][memory]")
{
    Parent parent;
    auto const least = parent.sections();
    CHECK(parent.children.hide(Pages{0x200, 0x202, 0x204}));
    CHECK(parent.sections() == least + 6); // three holes, and RAM between and behind
    CHECK(parent.children.hide(Pages{0x203, 0x201}));
    CHECK(parent.sections() == least + 2);
    parent.children.show(Pages{0x202});
    CHECK(parent.sections() == least + 4);
    parent.children.show(Pages{0x200, 0x204, 0x201, 0x203});
    CHECK(parent.sections() == least);
}

TEST_CASE("a parent's memory is split only so far, and a refusal has taken nothing", "[children][memory]")
{
    Parent parent;
    Pages every_second;
    for (std::uint64_t n = 0; n < ChildMachines::most_runs; ++n)
        every_second.push_back(0x400 + 2 * n);
    CHECK(parent.children.hide(every_second));
    CHECK_FALSE(parent.children.hide(Pages{0x300}));
    CHECK(parent.page(0x300));
    CHECK_FALSE(parent.children.hide(Pages{0x401, 0x300, 0x302})); // one joins two runs, and two are new
    CHECK(parent.page(0x401));
    CHECK(parent.children.hide(Pages{0x401, 0x300}));
}

TEST_CASE("children of all levels count for one limit, and those of a child have shorter maps", "[children]")
{
    Parent parent;
    auto const first = parent.children.create(false);
    REQUIRE(first);
    CHECK(first->children()->limits().runs < parent.children.limits().runs);
    auto second = first->children()->create(false);
    REQUIRE(second);
    CHECK_FALSE(second->children()->create(false));
    CHECK_FALSE(parent.children.create(false));
    second.reset();
    CHECK(parent.children.create(false));
}
