/// A whole machine on a hypervisor below that is a script.
#pragma once

#include "devices/net/user_network.hpp"
#include "devices/net/user_network_service.hpp"
#include "hv/abi/msr.hpp"
#include "vmm/boot/testing/kernels.hpp"
#include "vmm/firmware/firmware.hpp"
#include "vmm/hypervisor/testing/scripted_hypervisor.hpp"
#include "vmm/machine/event_loop.hpp"
#include "vmm/machine/machine.hpp"
#include "vmm/machine/vmbus_devices.hpp"

#include <condition_variable>
#include <cstring>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace vmm::testing {

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

class ScriptedMachine {
  public:
    explicit ScriptedMachine(unsigned cpus = 2)
    {
        options.kernel = kernel_.path().string();
        options.memory = 64 * layout::mib;
        options.cpus = cpus;
        loop_.start([](std::string const&) {});
    }
    ~ScriptedMachine() { take_down(); }

    Machine& build()
    {
        machine_ = std::make_unique<Machine>(
            Machine::World{
                .io = loop_.io(),
                .hypervisor = hypervisor,
                .registry = registry,
                .serial = serial_,
                .trace = nullptr,
                .opening = {},
                .ended = [this](Outcome outcome) { outcome_.set(std::move(outcome)); },
                .crashed = [](std::string const&) {},
                .synic_enabled = [] {},
                .start_user_network = [this](std::size_t, auto warn) { return user_network(std::move(warn)); },
                .firmware = firmware,
                .tpm = tpm},
            options, hv::PartitionRegistry::root_id);
        return *machine_;
    }

    void take_down()
    {
        if (!machine_) return;
        machine_->stop();
        loop_.run_and_wait([this] { machine_->detach(); });
        machine_.reset();
        for (auto& network : networks_)
            network.join();
        networks_.clear();
    }

    [[nodiscard]] ScriptedVcpu& vcpu(unsigned index = 0) const { return hypervisor.vm().vcpu(index); }
    [[nodiscard]] Outcome outcome() { return outcome_.get(); }

    ScriptedHypervisor hypervisor;
    hv::PartitionRegistry registry;
    GuestOptions options;
    std::shared_ptr<vmm::firmware::Firmware>
        firmware;                               ///< of the next machine; nullptr for one that starts the kernel
    std::shared_ptr<devices::tpm::Backend> tpm; ///< likewise; nullptr for one without

  private:
    /// One whose other end is a thread of the test's, and no process. It ends with the card.
    [[nodiscard]] std::unique_ptr<devices::net::FrameBackend>
    user_network(std::function<void(std::string const&)> warn)
    {
        auto link = devices::net::make_link();
        networks_.emplace_back([end = std::move(link.network)]() mutable {
            devices::net::UserNetworkService service{std::move(end)};
            if (service.open({})) service.run();
        });
        return std::make_unique<devices::net::UserNetwork>(std::move(link.vmm), nullptr, std::move(warn));
    }

    std::vector<std::thread> networks_;
    ScratchFile kernel_{make_bzimage()};
    NoSerial serial_;
    EventLoop loop_;
    Awaited<Outcome> outcome_;
    std::unique_ptr<Machine> machine_;
};

/// Of a call, in the guest's memory.
inline constexpr std::uint64_t input_page = 0x20'0000;
inline constexpr std::uint64_t output_page = 0x20'1000;

inline void put_words(Machine const& machine, std::uint64_t gpa, std::vector<std::uint64_t> const& words)
{
    std::memcpy(machine.partition().memory().at(hv::Gpa{gpa}, words.size() * 8), words.data(), words.size() * 8);
}

inline void enable_hypercalls(ScriptedVcpu& vcpu)
{
    vcpu.then_write_msr(hv::abi::msr::guest_os_id, 0x8100'0000'0000'0000);
    vcpu.then_write_msr(hv::abi::msr::hypercall, 0x10'0001);
}

/// PM1a_CNT_BLK, and what a guest writes there that powers off.
inline constexpr std::uint16_t acpi_control = 0x604;
inline constexpr std::uint32_t sleep_s5 = 5U << 10 | 1U << 13;

} // namespace vmm::testing
