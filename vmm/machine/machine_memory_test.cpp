// Memory of a whole machine, and devices in it, on a hypervisor below that is a script.
#include "hv/testing/catch.hpp"
#include "vmm/machine/testing/scripted_machine.hpp"

#include <array>
#include <atomic>

using namespace vmm;
using namespace vmm::testing;
using Answers = std::vector<std::uint64_t>;

TEST_CASE("memory that the hypervisor has not mapped at the moment is still the guest's", "[machine]")
{
    ScriptedMachine scripted;
    auto& machine = scripted.build();
    auto& cpu = scripted.vcpu();
    put_words(machine, input_page, {0x1122'3344'5566'7788});
    cpu.then_read_memory(input_page, 8);
    cpu.then_read_memory(input_page + 2, 2);
    std::array written{std::byte{0xAB}, std::byte{0xCD}};
    cpu.then([&](ScriptedVcpu&) -> VmExit { return exits::MmioAccess{hv::Gpa{input_page + 1}, written, true}; });
    cpu.then_read_memory(input_page, 4);
    machine.start();
    cpu.wait_until_halted();
    CHECK(cpu.answers() == Answers{0x1122'3344'5566'7788, 0x5566, 0x55CD'AB88});
}

TEST_CASE("a guest reaches a PCI function where it has put it", "[machine]")
{
    constexpr std::uint16_t address = 0xCF8;
    constexpr std::uint16_t data = 0xCFC;
    constexpr std::uint32_t slot = 0x8000'8000; // 00:10.0
    ScriptedMachine scripted;
    scripted.options.test_devices = true;
    auto& machine = scripted.build();
    auto& cpu = scripted.vcpu();
    auto const configure = [&](std::uint32_t offset, std::uint32_t value) {
        cpu.then_out(address, 4, slot | offset);
        cpu.then_out(data, 4, value);
    };
    cpu.then_out(address, 4, slot);
    cpu.then_in(data, 4);
    cpu.then_read_memory(0xC000'0000, 4);
    configure(0x10, 0xC000'0000);
    configure(0x04, 7);
    cpu.then_read_memory(0xC000'0000, 4);
    configure(0x44, 0xFEE0'1000); // MSI
    configure(0x4C, 0x51);
    configure(0x40, 1U << 16);
    std::array<std::byte, 4> raised{};
    cpu.then([&](ScriptedVcpu&) -> VmExit { return exits::MmioAccess{hv::Gpa{0xC000'000C}, raised, true}; });
    machine.start();
    cpu.wait_until_halted();
    CHECK(cpu.answers() == Answers{0x10F0'1AF4, 0xFFFF'FFFF, 0x5048'5446});
    using Messages = std::vector<std::pair<std::uint64_t, std::uint32_t>>;
    CHECK(scripted.hypervisor.vm().record().messages == Messages{{0xFEE0'1000, 0x51}});
}

TEST_CASE("RAM is split and joined while no vCPU is in the guest, and all go on", "[machine][memory]")
{
    ScriptedMachine scripted;
    auto& machine = scripted.build();
    machine.start();
    auto& vm = scripted.hypervisor.vm();
    vm.vcpu(0).wait_until_halted();
    vm.vcpu(1).wait_until_halted();
    std::atomic<unsigned> changes = 0;
    std::atomic<bool> seen = false;
    vm.on_mapping = [&] {
        ++changes;
        if (vm.vcpu(0).is_in_guest() || vm.vcpu(1).is_in_guest()) seen = true;
    };
    for (unsigned round = 0; round < 20; ++round) {
        auto const hole =
            machine.address_space().overlay({hv::Gpa{0xA'0000}, 0x2'0000}, {MemoryType::Hole}, "a hole");
        vm.vcpu(round % 2).then_interrupt(1);
    }
    CHECK(changes == 20 * 6); // the whole goes, its two parts come, and back again
    CHECK_FALSE(seen);
    vm.vcpu(0).wait_until_halted();
    vm.vcpu(1).wait_until_halted();
}
