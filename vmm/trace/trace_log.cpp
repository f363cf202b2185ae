#include "vmm/trace/trace_log.hpp"

#include "hv/abi/status.hpp"
#include "vmm/base/user_error.hpp"
#include "vmm/log/standard_error.hpp"
#include "vmm/log/text_file.hpp"
#include "vmm/trace/decode.hpp"

#include <spdlog/fmt/fmt.h>

namespace vmm {

namespace {

constexpr auto what = "the trace";

} // namespace

TraceLog::TraceLog(TraceOptions const& options, std::uint64_t limit)
    : options_{options},
      limit_{limit},
      start_{std::chrono::steady_clock::now()},
      file_{options.file.empty() ? nullptr : open_text_file(what, options.file, Existing::Emptied)}
{}

bool TraceLog::finish()
{
    return !file_ || finish_text_file(*file_, what);
}

void TraceLog::line(std::string const& who, hv::VpIndex vp, std::string const& text)
{
    auto const seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count();
    if (lines_.load(std::memory_order_relaxed) > limit_) return;
    auto const before = lines_.fetch_add(1, std::memory_order_relaxed);
    if (before > limit_) return;
    (file_ ? *file_ : standard_error())
        .put(before == limit_ ? fmt::format("the trace ends here, after {} lines\n", limit_)
                              : fmt::format("{:12.6f} {}vp{} {}\n", seconds, who, vp.value, text));
}

void PartitionTrace::set_partition(hv::PartitionId id)
{
    if (!name_.empty()) who_ = fmt::format("{}#{} ", name_, id.value);
}

void PartitionTrace::hypercall(hv::VpIndex vp, hv::abi::Control control, char const* name,
                               std::span<std::byte const> input, std::uint64_t result)
{
    if (!options().hypercall) return;
    auto const status = static_cast<hv::Status>(result & 0xFFFF);
    line(vp, fmt::format("hypercall {} ({:#06x}{}) {} -> {}", name ? name : "unknown", control.code(),
                         control.fast() ? ", fast" : "", describe_input(control.code(), input), hv::name_of(status)));
}

void PartitionTrace::msr_read(hv::VpIndex vp, std::uint32_t msr, std::uint64_t value, bool ok)
{
    if (!options().msr) return;
    line(vp, ok ? fmt::format("msr read {} = {:#x}", msr_name(msr), value)
                : fmt::format("msr read {} -> #GP", msr_name(msr)));
}

void PartitionTrace::msr_write(hv::VpIndex vp, std::uint32_t msr, std::uint64_t value, bool ok)
{
    if (!options().msr) return;
    line(vp, fmt::format("msr write {} = {:#x}{}", msr_name(msr), value, ok ? "" : " -> #GP"));
}

void PartitionTrace::message(hv::VpIndex vp, hv::Sint sint, hv::abi::MessageHeader const& header, MessageStep step)
{
    if (!options().synic) return;
    line(vp, fmt::format("synic SINT{} message type {:#x}, {} bytes, origin {:#x}: {}", sint.value,
                         static_cast<std::uint32_t>(header.type), header.payload_size, header.origin,
                         step == MessageStep::Delivered ? "in its slot" : "queued"));
}

void PartitionTrace::event(hv::VpIndex vp, hv::Sint sint, unsigned flag, bool edge)
{
    if (!options().synic) return;
    line(vp, fmt::format("synic SINT{} event flag {}{}", sint.value, flag, edge ? "" : " (was set)"));
}

void PartitionTrace::interrupt(hv::VpIndex vp, std::uint8_t vector, bool auto_eoi)
{
    if (!options().irq) return;
    line(vp, fmt::format("irq vector {:#x}{}", vector, auto_eoi ? ", auto-EOI" : ""));
}

std::unique_ptr<TraceLog> open_trace(TraceOptions const& options)
{
    if (!options.any()) return nullptr;
    return std::make_unique<TraceLog>(options);
}

} // namespace vmm
