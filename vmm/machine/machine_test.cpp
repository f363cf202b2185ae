// A whole machine on a hypervisor below that is a script.
#include "hv/abi/msr.hpp"
#include "hv/partition/communication.hpp"
#include "hv/testing/catch.hpp"
#include "hv/testing/snapshot.hpp"
#include "vmm/base/user_error.hpp"
#include "vmm/machine/testing/scripted_machine.hpp"

#include <array>
#include <cstring>
#include <filesystem>
#include <string>
#include <unistd.h>

using namespace vmm;
using namespace vmm::testing;
namespace msr = hv::abi::msr;
using Answers = std::vector<std::uint64_t>;

TEST_CASE("a machine is built, runs and is powered off by its guest", "[machine]")
{
    ScriptedMachine scripted;
    auto& machine = scripted.build();
    auto const& cpu = scripted.vcpu();
    CHECK(cpu.state.rip != 0); // where the kernel begins
    CHECK((cpu.system.cr0 & 1) == 1);
    CHECK(scripted.vcpu(1).state.rip == 0);
    CHECK(scripted.hypervisor.vm().record().memory.size() == 1);
    CHECK(scripted.hypervisor.vm().record().memory.begin()->second.host.size() == 64 * layout::mib);

    scripted.vcpu().then_out(acpi_control, 2, sleep_s5);
    machine.start();
    CHECK(scripted.outcome().kind == Outcome::Kind::PowerOff);
    machine.stop();
}

TEST_CASE("processors begin as firmware leaves them", "[machine]")
{
    ScriptedMachine scripted{3};
    (void)scripted.build();
    auto const word = [](LocalApicPage const& apic, std::size_t offset) {
        std::uint32_t value = 0;
        std::memcpy(&value, &apic.bytes[offset], sizeof value);
        return value;
    };
    for (unsigned i = 0; i < 3; ++i) {
        CHECK(word(scripted.vcpu(i).apic, 0xF0) == 0x10F); // enabled by software
        CHECK((word(scripted.vcpu(i).apic, 0x350) >> 16 & 1) == (i == 0 ? 0 : 1));
        CHECK(scripted.vcpu(i).msrs.at(0x2FF) == 0xC06); // MTRRs on, write-back
        auto const id = std::ranges::find_if(scripted.vcpu(i).cpuid, [](auto const& e) { return e.function == 1; });
        REQUIRE(id != scripted.vcpu(i).cpuid.end());
        CHECK(id->ebx >> 24 == i);
    }
}

TEST_CASE("a guest has SVM only when it is asked for", "[machine]")
{
    ScriptedMachine scripted;
    scripted.options.nested = GENERATE(false, true);
    (void)scripted.build();
    std::uint32_t features = 0;
    std::uint32_t revision = 0;
    for (auto const& entry : scripted.vcpu(1).cpuid) {
        if (entry.function == 0x8000'0001) features = entry.ecx;
        if (entry.function == 0x8000'000A) revision = entry.eax;
    }
    CHECK((features >> 2 & 1) == scripted.options.nested);
    CHECK(revision == scripted.options.nested);
}

TEST_CASE("a new generation ID is no harm to a guest that has given its page away", "[machine][generation]")
{
    ScriptedMachine scripted;
    auto& machine = scripted.build();
    auto const generation = hv::vmbus::guid("00112233-4455-6677-8899-aabbccddeeff");
    auto const* const place = machine.partition().memory().at(layout::generation_id.base, 16);
    machine.change_generation(generation);
    CHECK(std::memcmp(place, generation.bytes.data(), 16) == 0);
    auto const gone =
        machine.address_space().overlay(layout::generation_id, {MemoryType::Hole}, "a page that was deposited");
    machine.change_generation(hv::vmbus::guid("ffeeddcc-bbaa-9988-7766-554433221100"));
    CHECK(std::memcmp(place, generation.bytes.data(), 16) == 0);
}

TEST_CASE("a guest cannot have what the hypervisor below gives no guest", "[machine]")
{
    ScriptedMachine scripted;
    scripted.hypervisor.virtualises = false;
    CHECK_NOTHROW(scripted.build());
    scripted.take_down();
    scripted.options.nested = true;
    CHECK_THROWS_WITH(scripted.build(), Catch::Matchers::StartsWith("--nested: this KVM gives guests neither"));
}

TEST_CASE("a guest calls its hypervisor", "[machine]")
{
    ScriptedMachine scripted;
    auto& machine = scripted.build();
    auto& cpu = scripted.vcpu();
    cpu.then_call(0x5C, input_page); // HvPostMessage, before there is a page: a port where nothing is
    enable_hypercalls(cpu);
    cpu.then_call(0x5C, input_page);
    cpu.then_call(0x5D, input_page); // HvSignalEvent
    cpu.then_read_msr(msr::vp_index);
    cpu.then_read_msr(0x4000'01FF);       // that no one is offered
    cpu.then_in(acpi_control, 2);         // SCI_EN
    cpu.then_read_memory(0xF000'0000, 4); // nothing is there
    put_words(machine, input_page, {0x77, 1, 8, 0});
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
    ScriptedMachine scripted;
    auto& machine = scripted.build();
    auto& cpu = scripted.vcpu(1);
    constexpr std::uint64_t enabled_direct = 1 | 1U << 12 | 0x70U << 4;
    cpu.then_write_msr(msr::stimer0_config + 1, 1);
    cpu.then_write_msr(msr::stimer0_config, enabled_direct);
    cpu.then_interrupt(1);
    machine.start();
    cpu.wait_until_halted();
    CHECK(scripted.hypervisor.vm().record().interrupts == std::vector{std::pair{1U, std::uint8_t{0x70}}});

    cpu.then_write_msr(msr::stimer0_config + 1, ~std::uint64_t{0} >> 8); // in centuries
    cpu.then_write_msr(msr::stimer0_config, enabled_direct);
    cpu.wait_until_halted();
    CHECK(cpu.fire_timer());
    cpu.wait_until_halted();
    CHECK(scripted.hypervisor.vm().record().interrupts.size() == 1);
    CHECK(cpu.fire_timer()); // it was early, and is armed again
}

TEST_CASE("an interrupt of an auto-EOI SINT passes the local APIC", "[machine]")
{
    ScriptedMachine scripted{1};
    auto& machine = scripted.build();
    auto& cpu = scripted.vcpu();
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
    CHECK(scripted.hypervisor.vm().record().interrupts.empty());
}

TEST_CASE("one VP reads the registers of another, which halts", "[machine]")
{
    ScriptedMachine scripted;
    scripted.options.privileges = {{true, "access-vp-registers"}};
    auto& machine = scripted.build();
    auto& cpu = scripted.vcpu();
    scripted.vcpu(1).state.rip = 0x1234'5678;
    enable_hypercalls(cpu);
    put_words(machine, input_page, {~std::uint64_t{0}, 1, 0x0002'0010}); // self, VP 1; RIP
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
    ScriptedMachine scripted;
    auto& machine = scripted.build();
    auto& cpu = scripted.vcpu();
    SECTION("MSR")
    {
        cpu.then_write_msr(msr::reset, 1);
        machine.start();
        CHECK(scripted.outcome().kind == Outcome::Kind::Reset);
    }
    SECTION("triple fault")
    {
        cpu.then_triple_fault();
        machine.start();
        auto const outcome = scripted.outcome();
        CHECK(outcome.kind == Outcome::Kind::TripleFault);
        CHECK(outcome.text.find("triple fault (vCPU 0)") != std::string::npos);
    }
    SECTION("reset control register")
    {
        cpu.then_out(0xCF9, 1, 6);
        machine.start();
        CHECK(scripted.outcome().kind == Outcome::Kind::Reset);
    }
}

TEST_CASE("a machine stands still while it is paused, and goes on after it", "[machine]")
{
    ScriptedMachine scripted;
    auto& machine = scripted.build();
    machine.start();
    scripted.vcpu(0).wait_until_halted();
    scripted.vcpu(1).wait_until_halted();

    Awaited<bool> paused;
    machine.pause([&] { paused.set(true); });
    CHECK(paused.get());
    CHECK(machine.stop_time());
    auto const entries = scripted.vcpu().entries();
    scripted.vcpu().then_in(acpi_control, 2);
    auto const now = machine.partition().time().now();
    CHECK(machine.partition().time().now() == now);
    CHECK(scripted.vcpu().entries() == entries);
    CHECK(scripted.vcpu().answers().empty());

    auto const offset = scripted.vcpu().offset;
    machine.resume();
    scripted.vcpu().wait_until_halted();
    CHECK(scripted.vcpu().answers().size() == 1);
    CHECK(*scripted.vcpu().offset - *offset > std::uint64_t{1} << 63); // wound back
    CHECK(scripted.vcpu(1).offset == scripted.vcpu().offset);
}

TEST_CASE("a paused machine's devices come to rest, its memory with them, and all goes on after it",
          "[machine][quiesce]")
{
    ScratchFile const image{std::vector<std::byte>(4096)};
    auto const listener = std::filesystem::temp_directory_path() / ("porthole-machine-" + std::to_string(::getpid()));
    ScriptedMachine scripted;
    scripted.options.disks.push_back({.image = image.path().string()});
    scripted.options.nets.emplace_back();
    scripted.options.vsock = listener.string();
    auto& machine = scripted.build();
    constexpr std::uint64_t page = 0x30'0000;
    constexpr hv::PortId port{9};
    constexpr hv::Sint sint{5};
    scripted.vcpu().then_write_msr(msr::scontrol, 1);
    scripted.vcpu().then_write_msr(msr::simp, page | 1);
    scripted.vcpu().then_write_msr(msr::sint0 + sint.value, 0x60);
    machine.start();
    scripted.vcpu().wait_until_halted();
    auto& root = scripted.registry.root();
    hv::PortSpec const spec{.type = hv::abi::PortType::Message,
                            .sint = sint,
                            .target_vp = hv::VpIndex{0},
                            .connection_partition = root.id(),
                            .handler = nullptr};
    REQUIRE(hv::communication::create_port(machine.partition(), port, spec) == hv::Status::Success);
    hv::ConnectionId const connection{77};
    REQUIRE(hv::communication::connect(root, connection, machine.partition(), port, hv::abi::PortType::Message) ==
            hv::Status::Success);

    Awaited<bool> paused;
    machine.pause([&] { paused.set(true); });
    CHECK(paused.get());
    Awaited<bool> at_rest;
    machine.quiesce([&] { at_rest.set(true); });
    CHECK(at_rest.get());
    auto const before = hv::testing::snapshot(machine.partition().memory());
    hv::abi::Message message{};
    message.header.type = hv::abi::MessageType{1};
    message.header.payload_size = 8;
    CHECK(hv::communication::post(root, connection, message) == hv::Status::Success);
    machine.press_power_button();
    std::byte const key{0x41};
    CHECK(machine.receive({&key, 1}) == 0);
    CHECK(hv::testing::snapshot(machine.partition().memory()) == before);

    bool const goes_on = GENERATE(true, false);
    if (!goes_on) return scripted.take_down();
    machine.resume();
    auto const* const slot = machine.partition().memory().at(hv::Gpa{page + sint.value * sizeof message}, 4);
    CHECK(*reinterpret_cast<std::uint32_t const*>(slot) == 1);
    CHECK(machine.receive({&key, 1}) == 1);
}

TEST_CASE("time goes on in a pause where TSCs cannot be wound back", "[machine]")
{
    ScriptedMachine scripted;
    auto& machine = scripted.build();
    bool const keeps = GENERATE(true, false);
    for (unsigned i = 0; i < 2; ++i) {
        scripted.vcpu(i).keeps_offset = keeps;
        if (!keeps) scripted.vcpu(i).offset.reset();
    }
    machine.start();
    Awaited<bool> paused;
    machine.pause([&] { paused.set(true); });
    CHECK(paused.get());
    CHECK_FALSE(machine.stop_time());
    machine.resume();
    scripted.vcpu().wait_until_halted();
}

TEST_CASE("a machine that is taken down in a pause, or that never ran, leaves nothing", "[machine]")
{
    ScriptedMachine scripted;
    auto& machine = scripted.build();
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
    scripted.take_down();
    CHECK(scripted.registry.find(id) == nullptr);
}

TEST_CASE("what the hypervisor below can do is used when it is asked for", "[machine]")
{
    ScriptedMachine scripted;
    scripted.hypervisor.offer = {.calls = true, .timers = true, .eoi_exits = true};
    auto const mode = GENERATE(HypervMode::Auto, HypervMode::User, HypervMode::Hybrid);
    scripted.options.hyperv = mode;
    (void)scripted.build();
    CHECK(scripted.hypervisor.vm().config().calls == (mode != HypervMode::User));
    CHECK(scripted.hypervisor.vm().record().timers_accelerated == (mode != HypervMode::User ? 2 : 0));
    CHECK(scripted.hypervisor.vm().config().apic_msrs == (mode != HypervMode::User));
    scripted.take_down();

    scripted.hypervisor.offer = {};
    if (mode == HypervMode::Hybrid)
        CHECK_THROWS_AS(scripted.build(), UserError);
    else
        CHECK_FALSE((scripted.build(), scripted.hypervisor.vm().config().calls));
}
