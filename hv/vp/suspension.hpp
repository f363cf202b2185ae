/// The registers by which a parent stops a VP of its child and lets it go on (TLFS 2.0a §10.3.1).
#pragma once

#include "hv/abi/register_name.hpp"
#include "hv/abi/result.hpp"
#include "hv/abi/types.hpp"

#include <atomic>
#include <cstdint>

namespace hv {

/// Changed on the VP's own thread; read from any.
class Suspension {
  public:
    [[nodiscard]] static bool has(abi::RegisterName name)
    {
        return name == abi::RegisterName::ExplicitSuspend || name == abi::RegisterName::InterceptSuspend;
    }

    /// The VP executes nothing.
    [[nodiscard]] bool suspended() const { return explicit_.load() || (intercept_.load() & intercept_bit) != 0; }

    /// `name` is one of them.
    [[nodiscard]] abi::RegisterValue get(abi::RegisterName name) const
    {
        if (name == abi::RegisterName::ExplicitSuspend) return {explicit_.load(), 0};
        return {intercept_.load(), 0};
    }
    /// InvalidRegisterValue: reserved bits, or one of InterceptSuspend that is clear, and so not to be set (§10.3.1).
    [[nodiscard]] Status set(abi::RegisterName name, abi::RegisterValue const& value)
    {
        if (value.high != 0) return Status::InvalidRegisterValue;
        if (name == abi::RegisterName::ExplicitSuspend) {
            if (value.low > 1) return Status::InvalidRegisterValue;
            explicit_.store(value.low != 0);
            return Status::Success;
        }
        if ((value.low & ~intercept_.load()) != 0) return Status::InvalidRegisterValue;
        intercept_.store(value.low);
        return Status::Success;
    }
    void intercept() { intercept_.fetch_or(intercept_bit); }
    /// The bit TlbFlushInhibit, until the parent clears it. No call of a child's flushes, and so nobody is held up.
    void inhibit_flushes() { intercept_.fetch_or(inhibit_bit); }

    /// Which of the parent's VPs has dealt with it last, and so waits for it.
    void dealt_with_by(VpIndex parents_vp) { parents_vp_.store(parents_vp.value, std::memory_order_relaxed); }
    [[nodiscard]] VpIndex parents_vp() const { return VpIndex{parents_vp_.load(std::memory_order_relaxed)}; }

  private:
    static constexpr std::uint64_t intercept_bit = 1U << 0;
    static constexpr std::uint64_t inhibit_bit = 1U << 1;

    std::atomic<bool> explicit_{true}; ///< as a VP is made (§10.4.1)
    std::atomic<std::uint64_t> intercept_{0};
    std::atomic<std::uint32_t> parents_vp_{0};
};

} // namespace hv
