// What becomes of a machine when the hypervisor below fails.
#include "hv/abi/msr.hpp"
#include "hv/testing/catch.hpp"
#include "vmm/machine/testing/scripted_machine.hpp"

using namespace vmm;
using namespace vmm::testing;
namespace msr = hv::abi::msr;
using Answers = std::vector<std::uint64_t>;

TEST_CASE("a set-up that the hypervisor refuses leaves nothing, and can be tried again", "[machine][faults]")
{
    auto const call =
        GENERATE(Call::CreateVm, Call::SupportedCpuid, Call::AddVcpu, Call::Map, Call::SetCpuid, Call::SetRegisters,
                 Call::GetSystemRegisters, Call::SetSystemRegisters, Call::GetLocalApic, Call::SetLocalApic,
                 Call::GetTscKhz, Call::SetTscOffset, Call::AccelerateTimers);
    INFO(static_cast<int>(call));
    ScriptedMachine scripted;
    scripted.hypervisor.faults.fail(call);
    std::string message;
    try {
        (void)scripted.build();
    } catch (HypervisorError const& e) {
        message = e.what();
    }
    CHECK(message.starts_with("the hypervisor refused"));
    CHECK(message.find('\n') == std::string::npos);
    CHECK_FALSE(scripted.registry.find(hv::PartitionId{2}));

    scripted.hypervisor.faults.repair();
    scripted.build().start();
    scripted.vcpu().then_out(acpi_control, 2, sleep_s5);
    CHECK(scripted.outcome().kind == Outcome::Kind::PowerOff);
}

TEST_CASE("a second vCPU that cannot be had ends the set-up with one line", "[machine][faults]")
{
    ScriptedMachine scripted;
    scripted.hypervisor.faults.fail(Call::AddVcpu, 1);
    CHECK_THROWS_AS(scripted.build(), HypervisorError);
}

TEST_CASE("a vCPU that is lost ends its guest with what it looked like", "[machine][faults]")
{
    ScriptedMachine scripted;
    auto& machine = scripted.build();
    scripted.vcpu(1).state.rip = 0xABCD;
    scripted.vcpu(1).then_fail("KVM_RUN failed: Bad address");
    SECTION("with system registers")
    {
        machine.start();
        auto const outcome = scripted.outcome();
        CHECK(outcome.kind == Outcome::Kind::Died);
        CHECK(outcome.text.starts_with("the guest died: KVM_RUN failed: Bad address (vCPU 1)\n"));
        CHECK(outcome.text.find("rip 000000000000abcd") != std::string::npos);
        CHECK(outcome.text.find("cr0") != std::string::npos);
    }
    SECTION("without")
    {
        scripted.hypervisor.faults.fail(Call::GetSystemRegisters);
        machine.start();
        auto const outcome = scripted.outcome();
        CHECK(outcome.kind == Outcome::Kind::Died);
        CHECK(outcome.text.find("rip 000000000000abcd") != std::string::npos);
        CHECK(outcome.text.find("cr0") == std::string::npos);
    }
}

TEST_CASE("a vCPU thread that gets no timer ends its guest", "[machine][faults]")
{
    ScriptedMachine scripted;
    auto& machine = scripted.build();
    scripted.hypervisor.faults.fail(Call::MakeKickTimer, 1);
    machine.start();
    auto const outcome = scripted.outcome();
    CHECK(outcome.kind == Outcome::Kind::Died);
    CHECK(outcome.text.find("cannot make a timer") != std::string::npos);
}

TEST_CASE("exits for no reason change nothing", "[machine][faults]")
{
    ScriptedMachine scripted;
    auto& machine = scripted.build();
    auto& cpu = scripted.vcpu();
    cpu.then_interrupt(1000);
    cpu.then_read_msr(msr::vp_index);
    machine.start();
    cpu.wait_until_halted();
    CHECK(cpu.answers() == Answers{0});
}

TEST_CASE("XMM registers that cannot be had make the call fail, not the guest", "[machine][faults]")
{
    ScriptedMachine scripted;
    auto& machine = scripted.build();
    scripted.hypervisor.faults.fail(Call::ReadXmm);
    auto& cpu = scripted.vcpu();
    enable_hypercalls(cpu);
    constexpr std::uint64_t fast = 1U << 16;
    cpu.then_call(0x5C | fast, 0, 0); // HvPostMessage, whose input is longer than two registers
    cpu.then_read_msr(msr::vp_index);
    machine.start();
    cpu.wait_until_halted();
    CHECK(cpu.answers().back() == 0U);
    CHECK(cpu.answers().at(2) != 0U);
}

TEST_CASE("a resume that the hypervisor refuses is told", "[machine][faults]")
{
    ScriptedMachine scripted;
    auto& machine = scripted.build();
    machine.start();
    Awaited<bool> paused;
    machine.pause([&] { paused.set(true); });
    CHECK(paused.get());
    REQUIRE(machine.stop_time());
    scripted.hypervisor.faults.fail(Call::SetTscOffset);
    CHECK_THROWS_AS(machine.resume(), HypervisorError);
}

TEST_CASE("an interrupt that cannot be injected now is tried again", "[machine][faults]")
{
    ScriptedMachine scripted{1};
    auto& machine = scripted.build();
    auto& cpu = scripted.vcpu();
    scripted.hypervisor.faults.fail(GENERATE(Call::InterruptWindow, Call::Inject));
    cpu.then_write_msr(msr::scontrol, 1);
    cpu.then_write_msr(msr::simp, 0x30'0001);
    cpu.then_write_msr(msr::sint0 + 4, 1U << 17 | 0x60);
    cpu.then_write_msr(msr::stimer0_config + 1, 1);
    cpu.then_write_msr(msr::stimer0_config, 1 | 4U << 16);
    machine.start();
    cpu.wait_until_halted();
    CHECK(cpu.injected.empty());
    scripted.hypervisor.faults.repair();
    CHECK(cpu.fire_timer());
    cpu.wait_until_halted();
    CHECK(cpu.injected == std::vector<std::uint8_t>{0x60});
}
