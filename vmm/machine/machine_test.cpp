// A whole machine on a hypervisor below that is a script.
#include "hv/abi/hypercall.hpp"
#include "hv/abi/msr.hpp"
#include "hv/testing/catch.hpp"
#include "vmm/base/user_error.hpp"
#include "vmm/boot/testing/kernels.hpp"
#include "vmm/hypervisor/testing/scripted_hypervisor.hpp"
#include "vmm/machine/event_loop.hpp"
#include "vmm/machine/machine.hpp"
#include "vmm/machine/vmbus_devices.hpp"

#include <condition_variable>
#include <optional>

using namespace vmm;
using namespace vmm::testing;
namespace msr = hv::abi::msr;
using Answers = std::vector<std::uint64_t>;

namespace {

struct NoSerial final : devices::SerialSink {
    void write(std::span<std::byte const>) override {}
    void input_drained() override {}
};

/// A value that another thread brings.
template <typename T>
class Awaited {
  public:
    void set(T value)
    {
        std::lock_guard const guard{lock_};
        value_ = std::move(value);
        changed_.notify_all();
    }
    [[nodiscard]] T get()
    {
        std::unique_lock lock{lock_};
        changed_.wait(lock, [this] { return value_.has_value(); });
        return *value_;
    }

  private:
    std::mutex lock_;
    std::condition_variable changed_;
    std::optional<T> value_;
};

class House {
  public:
    explicit House(unsigned cpus = 2)
    {
        options.kernel = kernel_.path().string();
        options.memory = 64 * layout::mib;
        options.cpus = cpus;
        loop_.start([](std::string const&) {});
    }
    ~House() { take_down(); }

    Machine& build()
    {
        machine_ = std::make_unique<Machine>(
            Machine::World{.io = loop_.io(),
                           .hypervisor = hypervisor,
                           .registry = registry,
                           .serial = serial_,
                           .trace = nullptr,
                           .opening = {},
                           .ended = [this](Outcome outcome) { outcome_.set(std::move(outcome)); },
                           .crashed = [](std::string const&) {},
                           .synic_enabled = [] {}},
            options, hv::PartitionRegistry::root_id);
        return *machine_;
    }

    void take_down()
    {
        if (!machine_) return;
        machine_->stop();
        loop_.run_and_wait([this] { machine_->detach(); });
        machine_.reset();
    }

    [[nodiscard]] ScriptedVcpu& vcpu(unsigned index = 0) const { return hypervisor.vm().vcpu(index); }
    [[nodiscard]] Outcome outcome() { return outcome_.get(); }

    ScriptedHypervisor hypervisor;
    hv::PartitionRegistry registry;
    GuestOptions options;

  private:
    ScratchFile kernel_{make_bzimage()};
    NoSerial serial_;
    EventLoop loop_;
    Awaited<Outcome> outcome_;
    std::unique_ptr<Machine> machine_;
};

/// Register names HvGetVpRegisters asks for, in one page of the guest.
constexpr std::uint64_t input_page = 0x20'0000;
constexpr std::uint64_t output_page = 0x20'1000;

void put(Machine const& machine, std::uint64_t gpa, std::vector<std::uint64_t> const& words)
{
    std::memcpy(machine.partition().memory().at(hv::Gpa{gpa}, words.size() * 8), words.data(), words.size() * 8);
}

void enable_hypercalls(ScriptedVcpu& vcpu)
{
    vcpu.then_write_msr(msr::guest_os_id, 0x8100'0000'0000'0000);
    vcpu.then_write_msr(msr::hypercall, 0x10'0001);
}

constexpr std::uint16_t acpi_control = 0x604;
constexpr std::uint32_t sleep_s5 = 5U << 10 | 1U << 13;

} // namespace

TEST_CASE("a machine is built, runs and is powered off by its guest", "[machine]")
{
    House house;
    auto& machine = house.build();
    auto const& cpu = house.vcpu();
    CHECK(cpu.state.rip != 0); // where the kernel begins
    CHECK((cpu.system.cr0 & 1) == 1);
    CHECK(house.vcpu(1).state.rip == 0);
    CHECK(house.hypervisor.vm().record().memory.size() == 1);
    CHECK(house.hypervisor.vm().record().memory.begin()->second.host.size() == 64 * layout::mib);

    house.vcpu().then_out(acpi_control, 2, sleep_s5);
    machine.start();
    CHECK(house.outcome().kind == Outcome::Kind::PowerOff);
    machine.stop();
}

TEST_CASE("processors begin as firmware leaves them", "[machine]")
{
    House house{3};
    (void)house.build();
    auto const word = [](LocalApicPage const& apic, std::size_t offset) {
        std::uint32_t value = 0;
        std::memcpy(&value, &apic.bytes[offset], sizeof value);
        return value;
    };
    for (unsigned i = 0; i < 3; ++i) {
        CHECK(word(house.vcpu(i).apic, 0xF0) == 0x10F); // enabled by software
        CHECK((word(house.vcpu(i).apic, 0x350) >> 16 & 1) == (i == 0 ? 0 : 1));
        CHECK(house.vcpu(i).msrs.at(0x2FF) == 0xC06); // MTRRs on, write-back
        auto const id = std::ranges::find_if(house.vcpu(i).cpuid, [](auto const& e) { return e.function == 1; });
        REQUIRE(id != house.vcpu(i).cpuid.end());
        CHECK(id->ebx >> 24 == i);
    }
}

TEST_CASE("a guest calls its hypervisor", "[machine]")
{
    House house;
    auto& machine = house.build();
    auto& cpu = house.vcpu();
    cpu.then_call(0x5C, input_page); // HvPostMessage, before there is a page: a port where nothing is
    enable_hypercalls(cpu);
    cpu.then_call(0x5C, input_page);
    cpu.then_call(0x5D, input_page); // HvSignalEvent
    cpu.then_read_msr(msr::vp_index);
    cpu.then_read_msr(0x4000'01FF);       // that no one is offered
    cpu.then_in(acpi_control, 2);         // SCI_EN
    cpu.then_read_memory(0xF000'0000, 4); // nothing is there
    put(machine, input_page, {0x77, 1, 8, 0});
    machine.start();
    cpu.wait_until_halted();
    auto const invalid_connection = 0x12U;
    CHECK(cpu.answers() == Answers{0xFFFF'FFFF, 0x8100'0000'0000'0000, 0x10'0001, invalid_connection,
                                   invalid_connection, 0, ScriptedVcpu::fault, 1, 0xFFFF'FFFF});
    auto const* const page = machine.partition().memory().at(hv::Gpa{0x10'0000}, 1);
    CHECK(*page == std::byte{0x50}); // push rax
}

TEST_CASE("a vCPU's direct timer that is due asserts its vector", "[machine]")
{
    House house;
    auto& machine = house.build();
    auto& cpu = house.vcpu(1);
    constexpr std::uint64_t enabled_direct = 1 | 1U << 12 | 0x70U << 4;
    cpu.then_write_msr(msr::stimer0_config + 1, 1);
    cpu.then_write_msr(msr::stimer0_config, enabled_direct);
    cpu.then_interrupt(1);
    machine.start();
    cpu.wait_until_halted();
    CHECK(house.hypervisor.vm().record().interrupts == std::vector{std::pair{1U, std::uint8_t{0x70}}});

    cpu.then_write_msr(msr::stimer0_config + 1, ~std::uint64_t{0} >> 8); // in centuries
    cpu.then_write_msr(msr::stimer0_config, enabled_direct);
    cpu.wait_until_halted();
    CHECK(cpu.fire_timer());
    cpu.wait_until_halted();
    CHECK(house.hypervisor.vm().record().interrupts.size() == 1);
    CHECK(cpu.fire_timer()); // it was early, and is armed again
}

TEST_CASE("an interrupt of an auto-EOI SINT passes the local APIC", "[machine]")
{
    House house{1};
    auto& machine = house.build();
    auto& cpu = house.vcpu();
    cpu.window = {false, true, 0};
    enable_hypercalls(cpu);
    cpu.then_write_msr(msr::scontrol, 1);
    cpu.then_write_msr(msr::simp, 0x30'0001);
    cpu.then_write_msr(msr::sint0 + 4, 1U << 17 | 0x60);
    constexpr std::uint64_t enabled = 1 | 4U << 16;
    cpu.then_write_msr(msr::stimer0_config + 1, 1);
    cpu.then_write_msr(msr::stimer0_config, enabled);
    machine.start();
    cpu.wait_until_halted();
    CHECK(cpu.injected.empty()); // it does not take interrupts
    cpu.then([](ScriptedVcpu& vcpu) -> VmExit {
        vcpu.window.takes_interrupts = true;
        return exits::Interrupted{};
    });
    while (cpu.injected.empty()) {
        cpu.wait_until_halted();
        if (!cpu.fire_timer()) break; // it looks again when this comes
    }
    cpu.wait_until_halted();
    CHECK(cpu.injected == std::vector<std::uint8_t>{0x60});
    CHECK(house.hypervisor.vm().record().interrupts.empty());
}

TEST_CASE("one VP reads the registers of another, which halts", "[machine]")
{
    House house;
    house.options.privileges = {{true, "access-vp-registers"}};
    auto& machine = house.build();
    auto& cpu = house.vcpu();
    house.vcpu(1).state.rip = 0x1234'5678;
    enable_hypercalls(cpu);
    put(machine, input_page, {~std::uint64_t{0}, 1, 0x0002'0010}); // self, VP 1; RIP
    cpu.then_call(std::uint64_t{1} << 32 | 0x50, input_page, output_page);
    machine.start();
    cpu.wait_until_halted();
    CHECK(cpu.answers().back() == std::uint64_t{1} << 32); // one rep, success
    std::uint64_t rip = 0;
    std::memcpy(&rip, machine.partition().memory().at(hv::Gpa{output_page}, 8), 8);
    CHECK(rip == 0x1234'5678);
}

TEST_CASE("a guest resets by its MSR, by a triple fault, and by the chip set", "[machine]")
{
    House house;
    auto& machine = house.build();
    auto& cpu = house.vcpu();
    SECTION("MSR")
    {
        cpu.then_write_msr(msr::reset, 1);
        machine.start();
        CHECK(house.outcome().kind == Outcome::Kind::Reset);
    }
    SECTION("triple fault")
    {
        cpu.then_triple_fault();
        machine.start();
        auto const outcome = house.outcome();
        CHECK(outcome.kind == Outcome::Kind::TripleFault);
        CHECK(outcome.text.find("triple fault (vCPU 0)") != std::string::npos);
    }
    SECTION("reset control register")
    {
        cpu.then_out(0xCF9, 1, 6);
        machine.start();
        CHECK(house.outcome().kind == Outcome::Kind::Reset);
    }
}

TEST_CASE("a machine stands still while it is paused, and goes on after it", "[machine]")
{
    House house;
    auto& machine = house.build();
    machine.start();
    house.vcpu(0).wait_until_halted();
    house.vcpu(1).wait_until_halted();

    Awaited<bool> paused;
    machine.pause([&] { paused.set(true); });
    CHECK(paused.get());
    CHECK(machine.stop_time());
    auto const entries = house.vcpu().entries();
    house.vcpu().then_in(acpi_control, 2);
    auto const now = machine.partition().time().now();
    CHECK(machine.partition().time().now() == now);
    CHECK(house.vcpu().entries() == entries);
    CHECK(house.vcpu().answers().empty());

    auto const offset = house.vcpu().offset;
    machine.resume();
    house.vcpu().wait_until_halted();
    CHECK(house.vcpu().answers().size() == 1);
    CHECK(*house.vcpu().offset - *offset > std::uint64_t{1} << 63); // wound back
    CHECK(house.vcpu(1).offset == house.vcpu().offset);
}

TEST_CASE("time goes on in a pause where TSCs cannot be wound back", "[machine]")
{
    House house;
    auto& machine = house.build();
    bool const keeps = GENERATE(true, false);
    for (unsigned i = 0; i < 2; ++i) {
        house.vcpu(i).keeps_offset = keeps;
        if (!keeps) house.vcpu(i).offset.reset();
    }
    machine.start();
    Awaited<bool> paused;
    machine.pause([&] { paused.set(true); });
    CHECK(paused.get());
    CHECK_FALSE(machine.stop_time());
    machine.resume();
    house.vcpu().wait_until_halted();
}

TEST_CASE("a machine that is taken down in a pause, or that never ran, leaves nothing", "[machine]")
{
    House house;
    auto& machine = house.build();
    SECTION("never ran") {}
    SECTION("paused")
    {
        machine.start();
        Awaited<bool> paused;
        machine.pause([&] { paused.set(true); });
        CHECK(paused.get());
    }
    SECTION("asked to pause")
    {
        machine.start();
        machine.pause([] {});
    }
    auto const id = machine.partition().id();
    house.take_down();
    CHECK(house.registry.find(id) == nullptr);
}

TEST_CASE("a set-up that the hypervisor refuses leaves nothing, and can be tried again", "[machine][faults]")
{
    auto const call =
        GENERATE(Call::CreateVm, Call::SupportedCpuid, Call::AddVcpu, Call::Map, Call::SetCpuid, Call::SetRegisters,
                 Call::GetSystemRegisters, Call::SetSystemRegisters, Call::GetLocalApic, Call::SetLocalApic,
                 Call::GetTscKhz, Call::SetTscOffset, Call::AccelerateTimers);
    INFO(static_cast<int>(call));
    House house;
    house.hypervisor.faults.fail(call);
    std::string message;
    try {
        (void)house.build();
    } catch (HypervisorError const& e) {
        message = e.what();
    }
    CHECK(message.starts_with("the hypervisor refused"));
    CHECK(message.find('\n') == std::string::npos);

    house.hypervisor.faults.repair();
    house.build().start();
    house.vcpu().then_out(acpi_control, 2, sleep_s5);
    CHECK(house.outcome().kind == Outcome::Kind::PowerOff);
}

TEST_CASE("a second vCPU that cannot be had ends the set-up with one line", "[machine][faults]")
{
    House house;
    house.hypervisor.faults.fail(Call::AddVcpu, 1);
    CHECK_THROWS_AS(house.build(), HypervisorError);
}

TEST_CASE("a vCPU that is lost ends its guest with what it looked like", "[machine][faults]")
{
    House house;
    auto& machine = house.build();
    house.vcpu(1).state.rip = 0xABCD;
    house.vcpu(1).then_fail("KVM_RUN failed: Bad address");
    SECTION("with system registers")
    {
        machine.start();
        auto const outcome = house.outcome();
        CHECK(outcome.kind == Outcome::Kind::Died);
        CHECK(outcome.text.starts_with("the guest died: KVM_RUN failed: Bad address (vCPU 1)\n"));
        CHECK(outcome.text.find("rip 000000000000abcd") != std::string::npos);
        CHECK(outcome.text.find("cr0") != std::string::npos);
    }
    SECTION("without")
    {
        house.hypervisor.faults.fail(Call::GetSystemRegisters);
        machine.start();
        auto const outcome = house.outcome();
        CHECK(outcome.kind == Outcome::Kind::Died);
        CHECK(outcome.text.find("rip 000000000000abcd") != std::string::npos);
        CHECK(outcome.text.find("cr0") == std::string::npos);
    }
}

TEST_CASE("a vCPU thread that gets no timer ends its guest", "[machine][faults]")
{
    House house;
    auto& machine = house.build();
    house.hypervisor.faults.fail(Call::MakeKickTimer, 1);
    machine.start();
    auto const outcome = house.outcome();
    CHECK(outcome.kind == Outcome::Kind::Died);
    CHECK(outcome.text.find("cannot make a timer") != std::string::npos);
}

TEST_CASE("exits for no reason change nothing", "[machine][faults]")
{
    House house;
    auto& machine = house.build();
    auto& cpu = house.vcpu();
    cpu.then_interrupt(1000);
    cpu.then_read_msr(msr::vp_index);
    machine.start();
    cpu.wait_until_halted();
    CHECK(cpu.answers() == Answers{0});
}

TEST_CASE("XMM registers that cannot be had make the call fail, not the guest", "[machine][faults]")
{
    House house;
    auto& machine = house.build();
    house.hypervisor.faults.fail(Call::ReadXmm);
    auto& cpu = house.vcpu();
    enable_hypercalls(cpu);
    constexpr std::uint64_t fast = 1U << 16;
    cpu.then_call(0x5C | fast, 0, 0); // HvPostMessage, whose input is longer than two registers
    cpu.then_read_msr(msr::vp_index);
    machine.start();
    cpu.wait_until_halted();
    CHECK(cpu.answers().back() == 0U);
    CHECK(cpu.answers().at(2) != 0U);
}

TEST_CASE("what the hypervisor below can do is used when it is asked for", "[machine]")
{
    House house;
    house.hypervisor.offer = {.calls = true, .timers = true, .eoi_exits = true};
    auto const mode = GENERATE(HypervMode::Auto, HypervMode::User, HypervMode::Hybrid);
    house.options.hyperv = mode;
    (void)house.build();
    CHECK(house.hypervisor.vm().config().accelerated == (mode != HypervMode::User));
    CHECK(house.hypervisor.vm().config().apic_msrs == (mode != HypervMode::User));
    house.take_down();

    house.hypervisor.offer = {};
    if (mode == HypervMode::Hybrid)
        CHECK_THROWS_AS(house.build(), UserError);
    else
        CHECK_FALSE((house.build(), house.hypervisor.vm().config().accelerated));
}

TEST_CASE("a resume that the hypervisor refuses is told", "[machine][faults]")
{
    House house;
    auto& machine = house.build();
    machine.start();
    Awaited<bool> paused;
    machine.pause([&] { paused.set(true); });
    CHECK(paused.get());
    REQUIRE(machine.stop_time());
    house.hypervisor.faults.fail(Call::SetTscOffset);
    CHECK_THROWS_AS(machine.resume(), HypervisorError);
}

TEST_CASE("an interrupt that cannot be injected now is tried again", "[machine][faults]")
{
    House house{1};
    auto& machine = house.build();
    auto& cpu = house.vcpu();
    house.hypervisor.faults.fail(GENERATE(Call::InterruptWindow, Call::Inject));
    cpu.then_write_msr(msr::scontrol, 1);
    cpu.then_write_msr(msr::simp, 0x30'0001);
    cpu.then_write_msr(msr::sint0 + 4, 1U << 17 | 0x60);
    cpu.then_write_msr(msr::stimer0_config + 1, 1);
    cpu.then_write_msr(msr::stimer0_config, 1 | 4U << 16);
    machine.start();
    cpu.wait_until_halted();
    CHECK(cpu.injected.empty());
    house.hypervisor.faults.repair();
    CHECK(cpu.fire_timer());
    cpu.wait_until_halted();
    CHECK(cpu.injected == std::vector<std::uint8_t>{0x60});
}
