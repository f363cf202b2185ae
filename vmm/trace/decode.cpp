#include "vmm/trace/decode.hpp"

#include "hv/abi/msr.hpp"
#include "hv/hypercall/call_info.hpp"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <array>
#include <string_view>
#include <utility>

namespace vmm {

namespace {

namespace msr = hv::abi::msr;

constexpr std::array<std::pair<std::uint32_t, std::string_view>, 19> names{{
    {msr::guest_os_id, "GUEST_OS_ID"},
    {msr::hypercall, "HYPERCALL"},
    {msr::vp_index, "VP_INDEX"},
    {msr::reset, "RESET"},
    {msr::vp_runtime, "VP_RUNTIME"},
    {msr::time_ref_count, "TIME_REF_COUNT"},
    {msr::reference_tsc, "REFERENCE_TSC"},
    {msr::tsc_frequency, "TSC_FREQUENCY"},
    {msr::apic_frequency, "APIC_FREQUENCY"},
    {msr::vp_assist_page, "VP_ASSIST_PAGE"},
    {msr::scontrol, "SCONTROL"},
    {msr::sversion, "SVERSION"},
    {msr::siefp, "SIEFP"},
    {msr::simp, "SIMP"},
    {msr::eom, "EOM"},
    {msr::sirbp, "SIRBP"},
    {msr::guest_idle, "GUEST_IDLE"},
    {msr::crash_ctl, "CRASH_CTL"},
    {msr::tsc_invariant_control, "TSC_INVARIANT_CONTROL"},
}};

} // namespace

std::string msr_name(std::uint32_t number)
{
    for (auto const& [known, name] : names) {
        if (known == number) return std::string{name};
    }
    if (number >= msr::sint0 && number <= msr::sint15) return fmt::format("SINT{}", number - msr::sint0);
    if (number >= msr::stimer0_config && number <= msr::stimer3_count) {
        auto const offset = number - msr::stimer0_config;
        return fmt::format("STIMER{}_{}", offset / 2, offset % 2 == 0 ? "CONFIG" : "COUNT");
    }
    if (number >= msr::crash_p0 && number <= msr::crash_p4) return fmt::format("CRASH_P{}", number - msr::crash_p0);
    return fmt::format("{:#x}", number);
}

std::string describe_input(std::uint16_t code, std::span<std::byte const> input)
{
    std::string text;
    auto const* const call = hv::find_call(code);
    if (!call) return text;
    std::array<std::byte, 256> whole{}; // what is missing counts as zeros
    std::ranges::copy(input.first(std::min(whole.size(), input.size())), whole.begin());
    for (auto const& field : call->fields) {
        if (!field.name) break;
        if (!text.empty()) text += ' ';
        text += field.name;
        if (*field.name != '\0') text += '=';
        text += field.text(whole.data());
    }
    return text;
}

} // namespace vmm
