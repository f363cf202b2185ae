/// vCPUs that are stopped and go on, without KVM. Meant for ThreadSanitizer.
#include "hv/testing/catch.hpp"
#include "hv/testing/threads.hpp"
#include "hv/testing/world.hpp"
#include "vmm/vcpu/pause_gate.hpp"

#include <atomic>
#include <deque>
#include <future>
#include <thread>

using namespace hv::testing;
using namespace std::chrono_literals;
using vmm::PauseGate;

namespace {

/// A thread that does what a vCPU's does: it works, and passes the gate when it was kicked.
struct FakeVcpu {
    explicit FakeVcpu(PauseGate& to_pass) : gate{to_pass}
    {
        control.on_kick = [this] { kicked.store(true); };
        requests.open();
    }
    FakeVcpu(FakeVcpu const&) = delete;
    FakeVcpu& operator=(FakeVcpu const&) = delete;

    void run()
    {
        while (!stopping.load()) {
            ++steps;
            if (!kicked.exchange(false)) continue;
            if (gate.closed()) gate.pass(requests, stopping);
            if (requests.waiting()) requests.serve();
        }
        requests.close();
        gate.leave();
    }
    void stop()
    {
        stopping.store(true);
        requests.close();
        kicked.store(true);
    }

    PauseGate& gate;
    FakeVpControl control;
    hv::VpRequests requests{control};
    std::atomic<bool> kicked{false};
    std::atomic<bool> stopping{false};
    std::atomic<std::uint64_t> steps{0};
};

/// A machine of them.
class FakeMachine {
  public:
    explicit FakeMachine(unsigned count)
    {
        gate.expect(count);
        for (unsigned i = 0; i < count; ++i)
            vcpus.emplace_back(gate);
        for (auto& vcpu : vcpus)
            threads_.emplace_back([&vcpu] { vcpu.run(); });
    }
    FakeMachine(FakeMachine const&) = delete;
    FakeMachine& operator=(FakeMachine const&) = delete;
    ~FakeMachine() { stop(); }

    void pause(std::function<void()> done)
    {
        gate.close(std::move(done));
        for (auto& vcpu : vcpus)
            vcpu.control.kick();
    }
    void pause_and_wait()
    {
        std::promise<void> all_in;
        pause([&] { all_in.set_value(); });
        REQUIRE(all_in.get_future().wait_for(20s) == std::future_status::ready);
    }
    void resume()
    {
        gate.open();
        for (auto& vcpu : vcpus)
            vcpu.requests.wake();
    }
    void stop()
    {
        for (auto& vcpu : vcpus)
            vcpu.stop();
        threads_.clear();
    }
    [[nodiscard]] std::vector<std::uint64_t> steps() const
    {
        std::vector<std::uint64_t> all;
        for (auto const& vcpu : vcpus)
            all.push_back(vcpu.steps.load());
        return all;
    }
    void await_progress()
    {
        auto const before = steps();
        for (Patience patience{20s}; patience.lasts();) {
            auto const now = steps();
            bool all = true;
            for (std::size_t i = 0; i < now.size(); ++i)
                all = all && now[i] > before[i];
            if (all) return;
            std::this_thread::yield();
        }
        FAIL("a vCPU does not go on");
    }

    PauseGate gate;
    std::deque<FakeVcpu> vcpus;

  private:
    std::vector<std::jthread> threads_;
};

} // namespace

TEST_CASE("a paused machine takes no step, and goes on when it is resumed", "[pause][threads]")
{
    FakeMachine machine{3};
    for (int round = 0; round < 100; ++round) {
        machine.pause_and_wait();
        auto const before = machine.steps();
        std::this_thread::yield();
        CHECK(machine.steps() == before);
        machine.resume();
        if (round % 10 == 0) machine.await_progress();
    }
    machine.await_progress();
}

TEST_CASE("what others ask of vCPUs that wait at the gate is done meanwhile", "[pause][threads]")
{
    FakeMachine machine{2};
    machine.pause_and_wait();
    FakeVpControl control;
    hv::VpRequests asker{control};
    asker.open();
    bool done = false;
    CHECK(asker.have_done(machine.vcpus[1].requests, [&] { done = true; }));
    CHECK(done);
    machine.resume();
    machine.await_progress();
}

TEST_CASE("a machine that is resumed before it has paused goes on, and is not reported", "[pause][threads]")
{
    FakeMachine machine{2};
    std::atomic<unsigned> reports{0};
    for (int round = 0; round < 200; ++round) {
        machine.pause([&] { ++reports; });
        machine.resume();
    }
    machine.await_progress();
    CHECK(reports <= 200);
    auto const before = reports.load();
    machine.pause_and_wait();
    CHECK(reports == before); // one that was forgotten stays so
    machine.resume();
}

TEST_CASE("a paused machine can be stopped", "[pause][threads]")
{
    FakeMachine machine{2};
    machine.pause_and_wait();
    machine.stop();
    CHECK(machine.gate.closed());
}

TEST_CASE("a vCPU that ends does not keep the others from having paused", "[pause][threads]")
{
    FakeMachine machine{3};
    std::promise<void> all_in;
    machine.gate.close([&] { all_in.set_value(); });
    machine.vcpus[0].control.kick();
    machine.vcpus[1].control.kick();
    machine.vcpus[2].stop();
    CHECK(all_in.get_future().wait_for(20s) == std::future_status::ready);
    machine.resume();
}

TEST_CASE("a machine that does not run yet pauses at once", "[pause]")
{
    PauseGate gate;
    bool called = false;
    gate.close([&] { called = true; });
    CHECK(called);
}
