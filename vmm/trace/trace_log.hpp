/// `--trace`: what guests ask of their hypervisor, decoded, a line each.
#pragma once

#include "hv/base/trace.hpp"
#include "vmm/log/line_writer.hpp"
#include "vmm/options/run_options.hpp"

#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>

namespace vmm {

/// Where the lines of all guests go: a file or stderr. Stops, saying so, after `most_lines`, because a guest can make
/// lines as fast as it likes. Callable from any thread; never waits, and so it may lose lines to a slow reader.
class TraceLog {
  public:
    static constexpr std::uint64_t most_lines = 1'000'000;

    /// Throws UserError when the file cannot be written.
    explicit TraceLog(TraceOptions const& options, std::uint64_t limit = most_lines);

    [[nodiscard]] TraceOptions const& options() const { return options_; }

    /// Writes what is left. False when the file could not take all. Once, after the last line.
    [[nodiscard]] bool finish();

    /// `who` is the guest, with a space behind it, or nothing.
    void line(std::string const& who, hv::VpIndex vp, std::string const& text);

  private:
    TraceOptions const options_;
    std::uint64_t const limit_;
    std::chrono::steady_clock::time_point const start_;
    std::shared_ptr<LineWriter> const file_; // nullptr: standard error
    std::atomic<std::uint64_t> lines_{0};
};

/// What one partition has to say in it.
class PartitionTrace final : public hv::Tracer {
  public:
    /// `name` is the guest's; empty when it is the only one. The log must outlive this object.
    PartitionTrace(TraceLog& log, std::string name) : log_{log}, name_{std::move(name)}, who_{name_} {}

    /// Lines of a guest with a name begin with it and with its partition's ID, "server#2". Called before VPs run.
    void set_partition(hv::PartitionId id);

    void hypercall(hv::VpIndex vp, hv::abi::Control control, char const* name, std::span<std::byte const> input,
                   std::uint64_t result) override;
    void msr_read(hv::VpIndex vp, std::uint32_t msr, std::uint64_t value, bool ok) override;
    void msr_write(hv::VpIndex vp, std::uint32_t msr, std::uint64_t value, bool ok) override;
    void message(hv::VpIndex vp, hv::Sint sint, hv::abi::MessageHeader const& header, MessageStep step) override;
    void event(hv::VpIndex vp, hv::Sint sint, unsigned flag, bool edge) override;
    void interrupt(hv::VpIndex vp, std::uint8_t vector, bool auto_eoi) override;

  private:
    void line(hv::VpIndex vp, std::string const& text) { log_.line(who_, vp, text); }
    [[nodiscard]] TraceOptions const& options() const { return log_.options(); }

    TraceLog& log_;
    std::string const name_;
    std::string who_;
};

/// nullptr when nothing is to be traced: then it costs a null check.
[[nodiscard]] std::unique_ptr<TraceLog> open_trace(TraceOptions const& options);

} // namespace vmm
