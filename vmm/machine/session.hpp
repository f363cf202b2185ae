/// A run of `porthole run`: one guest with the user's console and signals around it, started anew when it reboots and
/// the user wants that.
#pragma once

#include "devices/serial_sink.hpp"
#include "hv/partition/registry.hpp"
#include "hv/trace.hpp"
#include "vmm/cli/run_options.hpp"
#include "vmm/console/console.hpp"
#include "vmm/host/kvm_host.hpp"
#include "vmm/machine/machine.hpp"
#include "vmm/machine/outcome.hpp"

#include <boost/asio/io_context.hpp>
#include <boost/asio/signal_set.hpp>

#include <memory>
#include <mutex>
#include <optional>

namespace vmm {

class Session final : devices::SerialSink {
  public:
    /// Throws UserError when the console cannot be opened.
    Session(KvmHost const& host, GuestOptions const& options, std::unique_ptr<hv::Tracer> tracer);
    ~Session() override;

    /// Builds the guest and runs it to its end. Throws UserError or KvmError.
    [[nodiscard]] Outcome run();

  private:
    void write(std::span<std::byte const> data) override { console_.write(data); }
    void input_drained() override { console_.resume(); }

    void wait_for_signal();
    void on_signal(int number);
    [[nodiscard]] std::size_t receive(std::span<std::byte const> input);
    [[nodiscard]] Outcome run_once();
    [[nodiscard]] bool restarts_after(Outcome const& outcome) const;
    [[nodiscard]] Outcome taken_outcome();
    /// The first call wins; from any thread.
    void end(Outcome outcome);

    KvmHost const& host_;
    GuestOptions const& options_;
    std::unique_ptr<hv::Tracer> const tracer_;
    boost::asio::io_context io_;
    hv::PartitionRegistry registry_;
    Console console_;
    boost::asio::signal_set signals_;
    bool asked_to_power_off_ = false;
    std::mutex lock_;
    std::optional<Outcome> outcome_; // guarded by lock_
    std::unique_ptr<Machine> machine_;
};

} // namespace vmm
