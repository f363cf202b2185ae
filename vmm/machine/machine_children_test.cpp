// Partitions that a guest makes, in a whole machine on a hypervisor below that is a script.
#include "hv/partition/children.hpp"
#include "hv/testing/catch.hpp"
#include "vmm/base/user_error.hpp"
#include "vmm/machine/testing/scripted_machine.hpp"

#include <string>

using namespace vmm;
using namespace vmm::testing;
using Answers = std::vector<std::uint64_t>;

namespace {

constexpr std::uint64_t one_rep = std::uint64_t{1} << 32;
constexpr std::uint64_t page_number = 0x1234;
constexpr std::uint64_t child_id = 3; ///< the machine is partition 2

void allow_children(GuestOptions& options)
{
    options.privileges = {{true, "create-partitions"}, {true, "access-memory-pool"}};
    options.children = {2, 4};
}

} // namespace

TEST_CASE("a guest makes a partition and deposits a page, which its machine no longer maps", "[machine][children]")
{
    ScriptedMachine scripted;
    allow_children(scripted.options);
    auto& machine = scripted.build();
    auto& cpu = scripted.vcpu();
    auto const& vm = scripted.hypervisor.vm(); // before its child has one
    enable_hypercalls(cpu);
    put_words(machine, input_page, {0, 0, 0, 0, 0, 0, 0});
    cpu.then_call(0x40, input_page, output_page); // HvCreatePartition
    cpu.then([&](ScriptedVcpu&) -> VmExit {
        put_words(machine, input_page, {child_id, page_number});
        return exits::Interrupted{};
    });
    cpu.then_call(0x48 | one_rep, input_page); // HvDepositMemory
    cpu.then_read_memory(page_number * hv::page_size, 4);
    machine.start();
    cpu.wait_until_halted();
    auto const answers = cpu.answers();
    REQUIRE(answers.size() >= 3);
    CHECK(Answers(answers.end() - 3, answers.end()) == Answers{0, one_rep, 0xFFFF'FFFF});
    auto const record = vm.record();
    CHECK(record.memory.size() == 2);
    CHECK(record.memory.at(0).host.size() == page_number * hv::page_size);
    CHECK(record.memory.contains((page_number + 1) * hv::page_size));
    CHECK(machine.partition().children()->count() == 1);
    REQUIRE(scripted.registry.find(hv::PartitionId{child_id}));

    scripted.take_down(); // with a child, and a page in its pool
    CHECK_FALSE(scripted.registry.find(hv::PartitionId{child_id}));
}

TEST_CASE("children are made by guests that the user allows them", "[machine][children]")
{
    ScriptedMachine scripted;
    scripted.options.children = {2, 4};
    try {
        (void)scripted.build();
        FAIL("they are of no use");
    } catch (UserError const& error) {
        CHECK(std::string{error.what()}.starts_with("children are of no use to a guest that may not make them"));
    }
    scripted.options.privileges = {{true, "create-partitions"}};
    scripted.options.children = {};
    auto& machine = scripted.build();
    CHECK(machine.partition().children() == nullptr);
}
