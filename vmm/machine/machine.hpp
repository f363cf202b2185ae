/// One guest: its memory, its partition, its processors and the devices of a PC around them.
#pragma once

#include "devices/pc/mmio_bus.hpp"
#include "devices/pc/port_bus.hpp"
#include "devices/pc/power_events.hpp"
#include "devices/pc/serial_sink.hpp"
#include "devices/tpm/backend.hpp"
#include "hv/abi/guid.hpp"
#include "hv/base/interfaces.hpp"
#include "hv/partition/registered_partition.hpp"
#include "vmm/base/memory_layout.hpp"
#include "vmm/hypervisor/hypervisor.hpp"
#include "vmm/machine/message_retry.hpp"
#include "vmm/machine/network_cards.hpp"
#include "vmm/machine/outcome.hpp"
#include "vmm/machine/vm_msi_sink.hpp"
#include "vmm/memory/pc_memory.hpp"
#include "vmm/memory/vm_memory.hpp"
#include "vmm/options/run_options.hpp"
#include "vmm/smbios/smbios.hpp"
#include "vmm/trace/trace_log.hpp"
#include "vmm/vcpu/tsc_clock.hpp"
#include "vmm/vcpu/vcpu_thread.hpp"

#include <boost/asio/io_context.hpp>

#include <atomic>
#include <chrono>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

namespace devices::firmware {
class ConsoleMailbox;
}

namespace vmm {

namespace firmware {
class Firmware;
}

class Display;
class FirmwareDevices;
class ChildMachines;
class PcDevices;
class TestDevices;
class TpmDevice;
class VmbusDevices;

class Machine final : hv::MachineControl, hv::InterruptSink, devices::PowerEvents {
  public:
    struct World {
        boost::asio::io_context& io;
        Hypervisor const& hypervisor;
        hv::PartitionRegistry& registry;
        devices::SerialSink& serial;        ///< where COM1 sends its output
        PartitionTrace* trace;              ///< or nullptr
        std::stop_token opening;            ///< stops the opening of disks
        std::function<void(Outcome)> ended; ///< called once at most, on any thread
        /// The guest has reported a crash and goes on; whole lines. On a VP's thread, `most_crash_reports` times at
        /// most.
        std::function<void(std::string)> crashed;
        std::function<void()> synic_enabled; ///< on a VP's thread, each time that the guest enables a SynIC
        StartUserNetwork start_user_network{};
        hv::vmbus::Guid generation{};                        ///< the generation ID that it begins with
        std::shared_ptr<vmm::firmware::Firmware> firmware{}; ///< nullptr where a kernel is started
        std::shared_ptr<devices::tpm::Backend> tpm{};        ///< nullptr for a guest without one
        Display* display = nullptr;                          ///< nullptr for a guest without one; outlives it
    };

    /// Builds everything and loads the kernel, if it is one that starts; nothing runs yet. Throws UserError,
    /// HypervisorError or std::system_error.
    Machine(World world, GuestOptions const& options, hv::PartitionId parent);
    ~Machine() override;

    [[nodiscard]] hv::Partition& partition() const { return *partition_; }
    [[nodiscard]] VmbusDevices& vmbus() const { return *vmbus_; }

    void start();
    /// Takes all vCPUs out of the guest and waits for them. Callable more than once, not from a vCPU thread.
    void stop();
    /// No handler on the io_context uses this machine any more. Called on it, or when it has stopped, after stop()
    /// and before this object ends on another thread.
    void detach();

    /// Takes all vCPUs out of the guest for a while; `paused` is called when the last of them is out, on any thread.
    /// Not when resume() or stop() comes before. The guest's time goes on until stop_time().
    void pause(std::function<void()> paused);
    /// When all vCPUs are out. Whether the guest's time stands still from now on; see TscClock.
    bool stop_time();
    /// When all vCPUs are out. `at_rest` is called, on any thread, when nothing writes to the guest's memory any
    /// more, and nothing will until resume(). Not when resume() comes before. Throws std::bad_alloc.
    void quiesce(std::function<void()> at_rest);
    /// Devices and vCPUs go on, and time with them.
    void resume();

    /// What lies where in its memory. May change while it runs.
    [[nodiscard]] AddressSpace& address_space() { return memory_->space(); }
    /// The devices, while they work. Not the partition.
    void inspect_devices(hv::Inspector& inspector) const;

    /// Asks the guest to power off, by the ACPI power button.
    void press_power_button();
    /// Gives the guest another generation ID, and tells it so. While it is not paused; from any thread.
    void change_generation(hv::vmbus::Guid const& generation);
    /// Input for COM1; returns how many bytes it took. SerialSink::input_drained says when to try again.
    [[nodiscard]] std::size_t receive(std::span<std::byte const> input);
    /// Whether a driver in the guest listens to COM1 by now.
    [[nodiscard]] bool listens() const;
    /// For how long it has run, in its own time.
    [[nodiscard]] std::chrono::nanoseconds running_for() const;

  private:
    void reset() override;
    void power_off() override;
    void report_crash(hv::CrashReport const& report) override;
    void assert_vector(hv::VpIndex vp, std::uint8_t vector, bool auto_eoi) override;
    void send(hv::VirtualInterrupt const& interrupt) override;
    void external_interrupt_waits(hv::VpIndex vp) override;
    void retry_messages_later(hv::VpIndex vp) override;
    void synic_enabled(hv::VpIndex vp) override;

    void end(Outcome outcome);
    void create_vcpus(GuestOptions const& options, hv::PartitionId parent);
    void create_devices(GuestOptions const& options);
    [[nodiscard]] std::shared_ptr<devices::firmware::ConsoleMailbox> firmware_console() const;
    void load(GuestOptions const& options);
    void begin_threads();
    [[nodiscard]] std::vector<Vcpu*> vcpus() const;

    static constexpr unsigned most_crash_reports = 4;

    World const world_;
    std::string const designation_; ///< what to call the guest
    OnCrash const on_crash_;
    MemoryLayout const layout_;
    std::shared_ptr<PcMemory> const memory_;
    bool const hybrid_; ///< the hypervisor below answers what it can
    hv::Rights const rights_;
    std::unique_ptr<Vm> const vm_;
    EntryGate entry_gate_;
    VmMemory const vm_memory_;
    devices::PortBus ports_;
    devices::MmioBus mmio_;
    VmMsiSink msi_;
    PauseGate gate_;
    MessageRetry retry_;
    std::vector<std::unique_ptr<VcpuThread>> vcpus_;
    smbios::ProcessorText processor_;
    std::optional<TscClock> clock_;
    std::unique_ptr<ChildMachines> children_; ///< nullptr: the guest may have none
    hv::RegisteredPartition partition_;
    std::unique_ptr<VmbusDevices> vmbus_;
    std::unique_ptr<PcDevices> pc_;
    std::unique_ptr<FirmwareDevices> firmware_devices_;
    std::unique_ptr<TpmDevice> tpm_; ///< or nullptr
    std::unique_ptr<TestDevices> test_devices_;
    std::once_flag ended_;
    std::atomic<unsigned> crash_reports_{0};
    hv::RefTime started_{};
};

} // namespace vmm
