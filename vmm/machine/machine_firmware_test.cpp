// A machine that starts by firmware, on a hypervisor below that is a script.
#include "hv/testing/catch.hpp"
#include "vmm/boot/testing/guest.hpp"
#include "vmm/firmware/testing/images.hpp"
#include "vmm/machine/testing/scripted_machine.hpp"

#include <algorithm>
#include <deque>
#include <memory>
#include <vector>

using namespace vmm;
using namespace vmm::testing;
namespace images = vmm::firmware::testing;

namespace {

constexpr std::uint64_t code_at = 0xFFFF'C000;
constexpr std::uint64_t variables_at = 0xFFFF'4000;

class FirmwareMachine : public ScriptedMachine {
  public:
    explicit FirmwareMachine(unsigned cpus = 2) : ScriptedMachine{cpus}
    {
        options.firmware = {code_.path().string(), variables_.path().string()};
        firmware = std::make_shared<vmm::firmware::Firmware>(options);
    }

    [[nodiscard]] bool maps(std::uint64_t address) const { return hypervisor.vm().record().memory.contains(address); }
    void then_write_memory(std::uint64_t address, std::byte value)
    {
        auto& kept = written_.emplace_back(value); // until the exit has been answered
        vcpu().then([address, &kept](ScriptedVcpu&) -> VmExit {
            return exits::MmioAccess{hv::Gpa{address}, {&kept, 1}, true};
        });
    }

  private:
    std::deque<std::byte> written_;
    ScratchFile code_{images::bytes(images::code())};
    ScratchFile variables_{images::bytes(images::variables())};
};

} // namespace

TEST_CASE("a machine with a firmware starts as a PC after a reset", "[machine][firmware]")
{
    FirmwareMachine scripted{3};
    (void)scripted.build();
    auto const& memory = scripted.hypervisor.vm().record().memory;
    REQUIRE(memory.contains(code_at));
    CHECK(memory.at(code_at).read_only);
    CHECK(std::ranges::equal(memory.at(code_at).host, images::bytes(images::code())));
    REQUIRE(memory.contains(variables_at));
    CHECK(memory.at(variables_at).read_only);
    for (unsigned i = 0; i < 3; ++i) {
        CHECK(scripted.vcpu(i).state.rip == 0); // nobody has set it
        CHECK_FALSE(scripted.vcpu(i).msrs.contains(0x2FF));
    }
}

TEST_CASE("a firmware's variables are memory while the chip shows them", "[machine][firmware]")
{
    FirmwareMachine scripted;
    auto& machine = scripted.build();
    std::vector<bool> mapped;
    auto const look = [&] {
        scripted.vcpu().then([&](ScriptedVcpu&) -> VmExit {
            mapped.push_back(scripted.maps(variables_at));
            return exits::Interrupted{};
        });
    };
    scripted.then_write_memory(variables_at + 0x1000, std::byte{0x10});
    look();
    scripted.then_write_memory(variables_at + 0x1000, std::byte{0x42});
    scripted.vcpu().then_read_memory(variables_at + 0x1000, 1);
    scripted.then_write_memory(variables_at + 0x1000, std::byte{0xFF});
    look();
    scripted.then_write_memory(code_at, std::byte{0x10}); // to ROM: nothing happens
    machine.start();
    scripted.vcpu().wait_until_halted();
    CHECK(mapped == std::vector{false, true});
    CHECK(scripted.vcpu().answers() == std::vector<std::uint64_t>{0x80});
    CHECK(scripted.firmware->variables().bytes()[0x1000] == std::byte{0x42});
    CHECK(scripted.firmware->code()[0] == std::byte{0});

    scripted.take_down();
    (void)scripted.build(); // after a reset they are there
    CHECK(scripted.hypervisor.vm().record().memory.at(variables_at).host[0x1000] == std::byte{0x42});
}

TEST_CASE("a firmware finds its machine by PCI and fw_cfg, and switches it off", "[machine][firmware]")
{
    FirmwareMachine scripted;
    auto& machine = scripted.build();
    auto& cpu = scripted.vcpu();
    cpu.then_out(0xCF8, 4, 0x8000'0000);
    cpu.then_in(0xCFC, 4);
    cpu.then_out(0x510, 2, 0x0005);
    cpu.then_in(0x511, 1);
    cpu.then_in(0x64, 1);   // no keyboard controller
    cpu.then_in(0xB004, 2); // in ACPI mode
    cpu.then_out(0xB004, 2, 0x2000);
    machine.start();
    CHECK(scripted.outcome().kind == Outcome::Kind::PowerOff);
    machine.stop();
    CHECK(cpu.answers() == std::vector<std::uint64_t>{0x1237'8086, 2, 0xFF, 1});
}

TEST_CASE("a machine with a firmware has test devices too", "[machine][firmware]")
{
    FirmwareMachine scripted;
    scripted.options.test_devices = true;
    (void)scripted.build();
}

TEST_CASE("a firmware finds the guest's network card, with its address and its place", "[machine][firmware][network]")
{
    constexpr std::uint32_t third_range = 0x8000'1018; // of 00:02.0
    constexpr std::uint32_t command = 0x8000'1004;
    constexpr std::uint32_t registers_at = 0xC000'0000;
    FirmwareMachine scripted;
    auto const look = [&] {
        auto& machine = scripted.build();
        auto& cpu = scripted.vcpu();
        cpu.then_out(0xCF8, 4, third_range);
        cpu.then_out(0xCFC, 4, 0xFFFF'FFFF);
        cpu.then_in(0xCFC, 4);
        cpu.then_out(0xCFC, 4, registers_at);
        cpu.then_out(0xCF8, 4, command);
        cpu.then_out(0xCFC, 2, 2);
        for (auto const offset : {0x00U, 0x04U, 0x08U, 0x0CU, 0x20U}) // is there, address, place, link
            cpu.then_read_memory(registers_at + offset, 4);
        machine.start();
        cpu.wait_until_halted();
        auto answers = cpu.answers();
        scripted.take_down();
        return answers;
    };
    using Answers = std::vector<std::uint64_t>;
    constexpr std::uint64_t nothing = 0xFFFF'FFFF;
    CHECK(look() == Answers{0, nothing, nothing, nothing, nothing, nothing});
    scripted.options.nets = {{.mac = devices::net::MacAddress{{0x52, 0x54, 0, 1, 2, 3}}, .boot_index = 0}};
    CHECK(look() == Answers{0xFFFF'F000, 1, 0x0100'5452, 0x0302, 1, 1});
}
