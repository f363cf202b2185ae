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
    [[nodiscard]] bool suspended() const { return explicit_.load() || intercept_.load(); }

    /// `name` is one of them.
    [[nodiscard]] abi::RegisterValue get(abi::RegisterName name) const
    {
        return {name == abi::RegisterName::ExplicitSuspend ? explicit_.load() : intercept_.load(), 0};
    }
    /// InvalidRegisterValue: reserved bits, or an intercept that the hypervisor has not seen.
    [[nodiscard]] Status set(abi::RegisterName name, abi::RegisterValue const& value)
    {
        if (value.high != 0 || value.low > 1) return Status::InvalidRegisterValue;
        bool const on = value.low != 0;
        if (name == abi::RegisterName::ExplicitSuspend) {
            explicit_.store(on);
            return Status::Success;
        }
        if (on && !intercept_.load()) return Status::InvalidRegisterValue;
        intercept_.store(on);
        return Status::Success;
    }
    void intercept() { intercept_.store(true); }

    /// Which of the parent's VPs has dealt with it last, and so waits for it.
    void dealt_with_by(VpIndex parents_vp) { parents_vp_.store(parents_vp.value, std::memory_order_relaxed); }
    [[nodiscard]] VpIndex parents_vp() const { return VpIndex{parents_vp_.load(std::memory_order_relaxed)}; }

  private:
    std::atomic<bool> explicit_{true}; ///< as a VP is made (§10.4.1)
    std::atomic<bool> intercept_{false};
    std::atomic<std::uint32_t> parents_vp_{0};
};

} // namespace hv
