/// A vCPU's MSRs, one at a time or two, by KVM_GET_MSRS and KVM_SET_MSRS.
#pragma once

#include <array>
#include <cstdint>
#include <optional>

namespace vmm {

/// No value when KVM does not know the MSR.
[[nodiscard]] std::optional<std::uint64_t> get_msr(int vcpu_fd, std::uint32_t index);
/// False when KVM does not take it.
[[nodiscard]] bool set_msr(int vcpu_fd, std::uint32_t index, std::uint64_t value);

struct MsrValue {
    std::uint32_t index;
    std::uint64_t value;
};

/// In this order. False when KVM does not take both.
[[nodiscard]] bool set_msrs(int vcpu_fd, std::array<MsrValue, 2> const& values);

} // namespace vmm
