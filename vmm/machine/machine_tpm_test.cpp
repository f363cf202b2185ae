// A machine with a TPM, on a hypervisor below that is a script.
#include "hv/testing/catch.hpp"
#include "vmm/machine/testing/scripted_machine.hpp"

#include <memory>
#include <utility>
#include <vector>

using namespace vmm;
using namespace vmm::testing;

namespace {

constexpr std::uint64_t registers = 0xFED4'0000;

/// Has no command carried out.
class IdleTpm final : public devices::tpm::Backend {
  public:
    void reset() override { ++resets; }
    void submit(std::vector<std::byte>, std::shared_ptr<devices::tpm::Waiter>) override {}
    void inspect(hv::Inspector&) const override {}

    unsigned resets = 0;
};

} // namespace

TEST_CASE("a machine with a TPM has its registers, and begins with a reset of it", "[machine][tpm]")
{
    ScriptedMachine scripted;
    auto const tpm = std::make_shared<IdleTpm>();
    scripted.tpm = tpm;
    auto& machine = scripted.build();
    auto& cpu = scripted.vcpu();
    cpu.then_read_memory(registers + 0x30, 4);
    cpu.then_read_memory(registers + 0x44, 4);
    cpu.then_read_memory(registers + 0x1000, 4); // locality 1 is not there
    machine.start();
    cpu.wait_until_halted();
    CHECK(cpu.answers() == std::vector<std::uint64_t>{0x2'5811, 2, 0xFFFF'FFFF});
    CHECK(tpm->resets == 1);

    scripted.take_down();
    (void)scripted.build();
    CHECK(tpm->resets == 2);
}

TEST_CASE("a machine without a TPM has nothing where one would be", "[machine][tpm]")
{
    ScriptedMachine scripted;
    auto& machine = scripted.build();
    scripted.vcpu().then_read_memory(registers + 0x30, 4);
    machine.start();
    scripted.vcpu().wait_until_halted();
    CHECK(scripted.vcpu().answers() == std::vector<std::uint64_t>{0xFFFF'FFFF});
}
