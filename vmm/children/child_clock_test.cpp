/// The TSC of a guest's child beside its parent's.
#include "hv/testing/catch.hpp"
#include "vmm/children/child_clock.hpp"
#include "vmm/hypervisor/testing/scripted_hypervisor.hpp"

#include <vector>

using vmm::ChildClock;

namespace {

struct Family {
    vmm::testing::ScriptedHypervisor hypervisor;
    std::unique_ptr<vmm::Vm> parent = hypervisor.create_vm({});
    std::unique_ptr<vmm::Vm> child = hypervisor.create_vm({});
    vmm::Vcpu& parents = parent->add_vcpu(0);
    vmm::Vcpu& childs = child->add_vcpu(0);
    vmm::TscClock clock{parents};
};

} // namespace

TEST_CASE("a child's TSC begins at 0, and is where its parent sets it", "[children][clock]")
{
    Family family;
    auto const start = family.clock.guest_tsc();
    ChildClock clock{family.clock};
    CHECK(clock.guest_tsc() <= family.clock.guest_tsc() - start);
    CHECK(clock.begin(family.childs) == clock.offset());
    CHECK(family.childs.tsc_offset() == clock.offset());

    auto const before = clock.offset();
    CHECK(clock.set(std::uint64_t{1} << 60));
    CHECK(clock.guest_tsc() >= std::uint64_t{1} << 60);
    CHECK(clock.guest_tsc() < std::uint64_t{1} << 61);
    CHECK(clock.offset() - before > std::uint64_t{1} << 59);

    auto const moved = clock.offset(); // a second processor's, a little later
    CHECK(clock.set(std::uint64_t{1} << 60));
    CHECK(clock.offset() == moved);
}

TEST_CASE("a child's TSC stands still when its parent's does, and goes on from there", "[children][clock]")
{
    Family family;
    ChildClock const clock{family.clock};
    std::vector const vcpus{&family.parents};
    REQUIRE(family.clock.stop(vcpus));
    auto const stopped = clock.guest_tsc();
    auto const before = clock.offset();
    CHECK(clock.guest_tsc() == stopped);
    family.clock.go_on(vcpus);
    CHECK(clock.guest_tsc() >= stopped);
    auto const lost = before - clock.offset(); // by which the parent's vCPU has been wound back
    CHECK(lost > 0);
    CHECK(family.parents.tsc_offset() == family.clock.offset());
}

TEST_CASE("where a TSC cannot be moved a child has its parent's", "[children][clock]")
{
    vmm::testing::ScriptedHypervisor hypervisor;
    auto const parent = hypervisor.create_vm({});
    auto& vcpu = parent->add_vcpu(0);
    hypervisor.faults.fail(vmm::testing::Call::SetTscOffset);
    vmm::TscClock const parents{vcpu};
    ChildClock clock{parents};
    CHECK(clock.offset() == parents.offset());
    CHECK_FALSE(clock.set(std::uint64_t{1} << 60));
    CHECK(clock.set(clock.guest_tsc()));
}
