/// Direct timers of a guest's children, which the hypervisor below runs where it can.
#include "hv/abi/msr.hpp"
#include "hv/testing/catch.hpp"
#include "hv/testing/timer_guest.hpp"
#include "vmm/children/child_machines.hpp"
#include "vmm/hypervisor/testing/scripted_hypervisor.hpp"

#include <memory>

using namespace hv;
namespace bits = hv::testing::stimer_bits;

namespace {

struct Runs final : VpSupervisor {
    [[nodiscard]] bool suspended() const override { return false; }
    [[nodiscard]] bool intercepts_port(std::uint16_t, std::uint8_t, bool) const override { return false; }
    [[nodiscard]] bool rang(Gpa, std::span<std::byte const>) override { return false; }
    [[nodiscard]] MsrAnswer msr_answer(std::uint32_t, bool) const override { return MsrAnswer::Fault; }
    void ended(std::uint8_t) override {}
    void intercepted(Intercept const&) override {}
};

struct TimedParent {
    explicit TimedParent(bool kernel_timers) : children{{hypervisor, clock, pause, {2, 4}, kernel_timers}, memory} {}

    std::shared_ptr<vmm::PcMemory> memory = std::make_shared<vmm::PcMemory>(vmm::MemoryLayout{32 * vmm::layout::mib});
    vmm::testing::ScriptedHypervisor hypervisor;
    std::unique_ptr<vmm::Vm> vm = hypervisor.create_vm({});
    vmm::TscClock clock{vm->add_vcpu(0)};
    vmm::PauseGate pause;
    vmm::ChildMachines children;
};

/// With one VP.
struct TimedChild {
    explicit TimedChild(TimedParent& parent) : machine{parent.children.create(true)}, vm{parent.hypervisor.vm()}
    {
        partition = registry.create({.rights = Rights::ordinary(),
                                     .memory = machine->memory(),
                                     .clock = machine->clock(),
                                     .interrupts = machine->interrupts(),
                                     .machine = machine->control()});
        add_vp();
    }
    ~TimedChild()
    {
        end_vp();
        registry.remove(*partition);
    }

    void add_vp()
    {
        processor = machine->add_processor(VpIndex{0}, partition->rights(), partition->time());
        REQUIRE(processor);
        vp = std::make_unique<VirtualProcessor>(*partition, *partition, VpIndex{0}, processor->control());
        vp->requests().open();
    }
    void run() { processor->begin(*vp, supervisor); }
    void end_vp()
    {
        processor->end();
        vp.reset();
        processor.reset();
    }
    [[nodiscard]] vmm::testing::ScriptedVcpu& vcpu() const { return vm.vcpu(0); }

    PartitionRegistry registry;
    std::unique_ptr<ChildMachine> machine;
    vmm::testing::ScriptedVm& vm;
    std::shared_ptr<Partition> partition;
    std::unique_ptr<ChildProcessor> processor;
    std::unique_ptr<VirtualProcessor> vp;
    Runs supervisor;
};

void arm_timer(vmm::testing::ScriptedVcpu& vcpu)
{
    constexpr std::uint64_t an_hour = 3600 * 10'000'000ULL;
    vcpu.then_write_msr(abi::msr::stimer0_config, bits::auto_enable | bits::direct | bits::vector(0x40));
    vcpu.then_write_msr(abi::msr::stimer0_config + 1, an_hour);
}

} // namespace

TEST_CASE("timers of children are for the hypervisor below as their parent's are, and calls never",
          "[children][timers]")
{
    bool const kernel_timers = GENERATE(false, true);
    TimedParent parent{kernel_timers};
    {
        TimedChild const child{parent};
        CHECK(child.vm.config().timers == kernel_timers);
        CHECK_FALSE(child.vm.config().calls);
        CHECK(child.vm.record().timers_accelerated == (kernel_timers ? 1 : 0));
    }
    auto const without_apics = parent.children.create(false);
    CHECK_FALSE(parent.hypervisor.vm().config().timers);
}

TEST_CASE("a vCPU that another VP gets has no timer of the one before", "[children][timers]")
{
    TimedParent parent{true};
    TimedChild child{parent};
    arm_timer(child.vcpu());
    child.run();
    child.vcpu().wait_until_halted();
    CHECK(child.vcpu().accelerated.direct_timers.contains(0));

    child.end_vp();
    child.add_vp();
    CHECK(child.vcpu().accelerated.direct_timers.empty());
    CHECK(child.vp->read_msr(abi::msr::stimer0_config) == 0U);
    CHECK(child.vm.record().timers_accelerated == 1);
}

TEST_CASE("timers come back from the hypervisor below when a child's TSC is set", "[children][timers][clock]")
{
    TimedParent parent{true};
    TimedChild child{parent};
    auto& vcpu = child.vcpu();
    arm_timer(vcpu);
    child.run();
    vcpu.wait_until_halted();
    REQUIRE(vcpu.accelerated.direct_timers.contains(0));
    vcpu.accelerated.takes_direct_timers = false;

    auto const before = vcpu.offset;
    REQUIRE(child.partition->set_tsc(std::uint64_t{1} << 60, nullptr)); // by another VP of the child
    vcpu.wait_until_halted();
    CHECK(vcpu.offset != before);
    CHECK(vcpu.accelerated.tsc_moves == 1);
    CHECK(vcpu.accelerated.direct_timers.empty());
    CHECK(vcpu.fire_timer()); // of the model's deadline
}
