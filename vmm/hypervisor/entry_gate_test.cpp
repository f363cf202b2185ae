#include "hv/testing/catch.hpp"
#include "vmm/hypervisor/entry_gate.hpp"
#include "vmm/hypervisor/testing/scripted_hypervisor.hpp"

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <thread>
#include <vector>

using namespace vmm;
using namespace vmm::testing;

TEST_CASE("no vCPU is in the guest while the gate is closed, and all go on after it", "[gate][threads]")
{
    constexpr unsigned rounds = 200;
    ScriptedHypervisor hypervisor;
    auto const vm = hypervisor.create_vm({});
    std::array<Vcpu*, 2> const vcpus{&vm->add_vcpu(0), &vm->add_vcpu(1)};
    EntryGate gate;
    std::atomic<bool> going = true;
    std::array<std::atomic<std::uint64_t>, 2> runs{};
    std::vector<std::thread> threads;
    std::vector<std::unique_ptr<EntryGate::Door>> doors;
    for (auto* const vcpu : vcpus)
        doors.push_back(std::make_unique<EntryGate::Door>(gate, *vcpu));
    for (std::size_t n = 0; n < vcpus.size(); ++n) {
        threads.emplace_back([&, n] {
            vcpus[n]->adopt_thread();
            while (going) {
                doors[n]->enter();
                static_cast<void>(vcpus[n]->run()); // until it is kicked
                doors[n]->leave();
                ++runs[n];
            }
            vcpus[n]->release_thread();
        });
    }
    for (unsigned round = 0; round < rounds; ++round) {
        auto const before = runs[round % 2].load();
        {
            EntryGate::Closed const closed{gate};
            CHECK_FALSE(hypervisor.vm().vcpu(0).is_in_guest());
            CHECK_FALSE(hypervisor.vm().vcpu(1).is_in_guest());
        }
        while (runs[round % 2] == before) {
            hypervisor.vm().vcpu(round % 2).kick();
            std::this_thread::yield();
        }
    }
    going = false;
    for (auto* const vcpu : vcpus)
        vcpu->kick();
    for (auto& thread : threads)
        thread.join();
}
