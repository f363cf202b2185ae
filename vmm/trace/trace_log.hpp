/// `--trace`: what the guest asks of its hypervisor, decoded, a line each.
#pragma once

#include "hv/trace.hpp"
#include "vmm/cli/run_options.hpp"

#include <chrono>
#include <cstdint>
#include <cstdio>
#include <memory>
#include <mutex>
#include <string>

namespace vmm {

/// Writes to a file or to stderr; stops, saying so, after `most_lines`, because a guest can make lines as fast as it
/// likes. Callable from any thread.
class TraceLog final : public hv::Tracer {
  public:
    static constexpr std::uint64_t most_lines = 1'000'000;

    /// Throws UserError when the file cannot be written.
    explicit TraceLog(TraceOptions const& options, std::uint64_t limit = most_lines);

    void hypercall(hv::VpIndex vp, hv::abi::Control control, char const* name, std::span<std::byte const> input,
                   std::uint64_t result) override;
    void msr_read(hv::VpIndex vp, std::uint32_t msr, std::uint64_t value, bool ok) override;
    void msr_write(hv::VpIndex vp, std::uint32_t msr, std::uint64_t value, bool ok) override;
    void message(hv::VpIndex vp, hv::Sint sint, hv::abi::MessageHeader const& header, MessageStep step) override;
    void event(hv::VpIndex vp, hv::Sint sint, unsigned flag, bool edge) override;
    void interrupt(hv::VpIndex vp, std::uint8_t vector, bool auto_eoi) override;

  private:
    struct CloseFile {
        void operator()(std::FILE* file) const
        {
            if (file != stderr) std::fclose(file);
        }
    };

    void line(hv::VpIndex vp, std::string const& text);

    TraceOptions const options_;
    std::uint64_t const limit_;
    std::chrono::steady_clock::time_point const start_;
    std::mutex lock_; // the two below
    std::unique_ptr<std::FILE, CloseFile> file_;
    std::uint64_t lines_ = 0;
};

/// nullptr when nothing is to be traced: then it costs a null check.
[[nodiscard]] std::unique_ptr<hv::Tracer> open_trace(TraceOptions const& options);

} // namespace vmm
