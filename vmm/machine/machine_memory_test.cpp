// Memory of a whole machine, and devices in it, on a hypervisor below that is a script.
#include "hv/testing/catch.hpp"
#include "vmm/machine/testing/scripted_machine.hpp"

#include <array>

using namespace vmm;
using namespace vmm::testing;
using Answers = std::vector<std::uint64_t>;

TEST_CASE("memory that the hypervisor has not mapped at the moment is still the guest's", "[machine]")
{
    ScriptedMachine scripted;
    auto& machine = scripted.build();
    auto& cpu = scripted.vcpu();
    put(machine, input_page, {0x1122'3344'5566'7788});
    cpu.then_read_memory(input_page, 8);
    cpu.then_read_memory(input_page + 2, 2);
    std::array written{std::byte{0xAB}, std::byte{0xCD}};
    cpu.then([&](ScriptedVcpu&) -> VmExit { return exits::MmioAccess{hv::Gpa{input_page + 1}, written, true}; });
    cpu.then_read_memory(input_page, 4);
    machine.start();
    cpu.wait_until_halted();
    CHECK(cpu.answers() == Answers{0x1122'3344'5566'7788, 0x5566, 0x55CD'AB88});
}
