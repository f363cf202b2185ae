/// The page in which a parent finds registers of a suspended VP of its child, and changes them without a call
/// (abi::RegisterPage).
#pragma once

#include "hv/abi/status.hpp"
#include "hv/base/overlay_page.hpp"
#include "hv/base/sync.hpp"

#include <atomic>

namespace hv {

class VpControl;

/// `show` and `hide` from any thread; the rest by whoever has the VP's registers, which are settled.
class RegisterPage {
  public:
    /// InvalidVpState when it is somewhere already, InvalidParameter when there is no RAM. It holds no registers
    /// then.
    [[nodiscard]] Status show(GuestMemory const& memory, Gpa gpa);
    /// InvalidVpState when it is nowhere.
    [[nodiscard]] Status hide();

    [[nodiscard]] bool is_shown() const { return is_shown_.load(std::memory_order_relaxed); }
    [[nodiscard]] bool is_open() const { return is_open_.load(std::memory_order_relaxed); }
    /// Where it is shown, it holds the VP's registers from now on.
    void open(VpControl const& control);
    /// What the parent has changed in it becomes the VP's. InvalidRegisterValue: the VP cannot have one of the
    /// values; the parent is to mend it, since the next call fails likewise.
    [[nodiscard]] Status take_changes(VpControl& control);
    /// The VP goes on.
    void close();

  private:
    Mutex<LockRank::Leaf> lock_;
    OverlayPage page_;                  // guarded by lock_
    std::atomic<bool> is_shown_{false}; ///< changed under lock_, likewise the next
    std::atomic<bool> is_open_{false};
};

} // namespace hv
