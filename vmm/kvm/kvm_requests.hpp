/// The requests of ioctl(2) that KVM is used by, as numbers.
#pragma once

#include <cstdint>
#include <span>

namespace vmm {

/// By the thread of a vCPU; KVM_RUN is the first.
[[nodiscard]] std::span<std::uint32_t const> kvm_run_requests();
/// By any thread that has an interrupt for a guest.
[[nodiscard]] std::span<std::uint32_t const> kvm_interrupt_requests();
/// By the thread that builds guests, beside these.
[[nodiscard]] std::span<std::uint32_t const> kvm_build_requests();

} // namespace vmm
