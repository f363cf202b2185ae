/// One guest of a run: its machine, which is built anew when it restarts, its console, and its ready signal.
#pragma once

#include "devices/pc/serial_sink.hpp"
#include "devices/tpm/swtpm.hpp"
#include "hv/partition/registry.hpp"
#include "vmm/base/log.hpp"
#include "vmm/console/console.hpp"
#include "vmm/console/standard_output.hpp"
#include "vmm/hypervisor/hypervisor.hpp"
#include "vmm/machine/display.hpp"
#include "vmm/machine/event_loop.hpp"
#include "vmm/machine/machine.hpp"
#include "vmm/machine/ready_text.hpp"
#include "vmm/machine/run_events.hpp"
#include "vmm/machine/triple_faults.hpp"
#include "vmm/machine/vmbus_devices.hpp"
#include "vmm/options/run_options.hpp"
#include "vmm/trace/trace_log.hpp"

#include <boost/asio/steady_timer.hpp>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>

namespace vmm {

namespace firmware {
class Firmware;
}

class Disks;
class GuestServices;

/// What other processes do for the guest of an index, from 0.
struct GuestHelpers {
    std::function<StartUserNetwork(std::size_t guest)> user_network{};
    std::function<std::unique_ptr<devices::tpm::SwtpmProcess>(std::size_t guest)> tpm{}; ///< of one that has one
};

/// Used by the thread that owns the run.
class Guest final : devices::SerialSink {
  public:
    struct World {
        EventLoop& loop;
        StandardOutput& standard_output;
        Hypervisor const& hypervisor;
        hv::PartitionRegistry& registry;
        TraceLog* trace; ///< or nullptr
        RunEvents& events;
        std::stop_source opening; ///< stops the opening of disks, when all is to end
        GuestHelpers helpers{};
    };

    enum class State {
        Waiting, ///< built or not, it has not run yet
        Running,
        Ended,
    };

    enum class Pause {
        No,
        Asked,       ///< vCPUs are on their way out, or devices come to rest
        TimeStopped, ///< all are out, devices are at rest, and the guest's time stands still
        TimeGoesOn,  ///< likewise, but this KVM cannot stop its time
    };

    /// Opens the console and the firmware's files, and has the TPM begin; throws UserError. `index` goes into events.
    /// The loop must have stopped when this object ends.
    Guest(World const& world, std::size_t index, GuestOptions const& options);
    ~Guest() override;

    [[nodiscard]] GuestOptions const& options() const { return options_; }
    [[nodiscard]] State state() const { return state_; }
    /// Whether its ready signal has come; once it has, that stays so.
    [[nodiscard]] bool is_ready() const { return ready_; }
    void set_ready() { ready_ = true; }
    /// nullptr while it has none.
    [[nodiscard]] hv::Partition* partition() const { return machine_ ? &machine_->partition() : nullptr; }
    [[nodiscard]] std::string pty_path() const { return console_.pty_path(); }

    /// Makes the machine; nothing runs yet. Throws UserError or HypervisorError, and then has none.
    void build(hv::PartitionId parent);
    void start_console() { console_.start(); }
    void start();
    /// Takes the machine away and starts a new one. Throws like build.
    void restart(hv::PartitionId parent);
    /// Takes the machine away for good, and its partition with it.
    void end();
    /// How its run has ended really: a triple fault is a reset or a death, as its options say and as often as it
    /// comes.
    [[nodiscard]] Outcome settled(Outcome outcome);

    /// It has reported a crash. Whether the user is to hear of it.
    [[nodiscard]] bool note_crash();
    /// Whether it has, since it started.
    [[nodiscard]] bool has_crashed() const { return crashed_; }

    /// Of a guest that runs and is not paused. `done` is called on this thread: with TimeStopped or TimeGoesOn; or
    /// with No and why: resume() or the guest's end came before, or the host does not finish what a device has under
    /// way, and the guest goes on.
    void pause(std::function<void(Pause, std::string_view why_not)> done);
    /// GuestParked came.
    void on_parked(std::uint64_t pause);
    /// Of a guest that is paused, or was asked to. Throws HypervisorError.
    void resume();
    [[nodiscard]] Pause pause_state() const { return pause_; }

    [[nodiscard]] Disks& disks();
    [[nodiscard]] NetworkCards const& network() const { return machine_->vmbus().network(); }
    /// Of a guest that has a machine; nullptr when its memory is fixed.
    [[nodiscard]] GuestBalloon* balloon() const { return machine_->vmbus().balloon(); }
    /// Of a guest that has a machine.
    void inspect_devices(hv::Inspector& inspector) const { machine_->inspect_devices(inspector); }

    void press_power_button() { machine_->press_power_button(); }
    /// Gives a guest that runs and is not paused a new generation ID, and returns that. Throws std::system_error.
    [[nodiscard]] hv::vmbus::Guid change_generation();
    [[nodiscard]] GuestServices& services() const;
    /// nullptr when it has none.
    [[nodiscard]] devices::tpm::Swtpm const* tpm() const { return tpm_.get(); }
    /// nullptr when it has none.
    [[nodiscard]] Display* display() { return display_ ? &*display_ : nullptr; }

    /// Writes out what its console still holds. When all guests have ended. What went wrong, one line, or nothing.
    [[nodiscard]] std::string finish_console() { return console_.finish(); }
    /// Ends that. From any thread.
    void abandon_console() { console_.abandon(); }

  private:
    void write(std::span<std::byte const> data) override;
    void input_drained() override { console_.resume(); }

    [[nodiscard]] std::size_t receive(std::span<std::byte const> input);
    [[nodiscard]] bool announces_text(std::span<std::byte const> data);
    void announce();
    void give_up_machine();
    void settle_pause(Pause state, std::string_view why_not = "it was resumed, or has ended, before");
    void come_to_rest(std::uint64_t pause, Pause state);
    void fail_pause(std::uint64_t pause, std::string_view why_not);

    World const world_;
    std::size_t const index_;
    GuestOptions const& options_;
    std::optional<PartitionTrace> trace_;
    Console console_;
    RateLimit starts_logged_;
    RateLimit triple_faults_logged_;
    RateLimit crashes_told_;
    TripleFaults triple_faults_;
    bool crashed_ = false;
    State state_ = State::Waiting;
    bool ready_ = false;
    Pause pause_ = Pause::No;
    std::uint64_t pauses_ = 0; ///< how many there were, which is the current one's number
    std::function<void(Pause, std::string_view)> pause_done_;
    boost::asio::steady_timer rest_limit_; ///< for devices to come to rest

    std::atomic<bool> announced_{false};
    std::mutex text_lock_; // the next
    std::optional<ReadyText> text_;

    hv::vmbus::Guid generation_;                   ///< outlives a reset, as it does on Hyper-V
    std::shared_ptr<firmware::Firmware> firmware_; ///< or nullptr
    std::shared_ptr<devices::tpm::Swtpm> tpm_;     ///< or nullptr
    std::optional<Display> display_;
    std::unique_ptr<Machine> machine_;
    Machine* input_target_ = nullptr; // the event loop's
};

} // namespace vmm
