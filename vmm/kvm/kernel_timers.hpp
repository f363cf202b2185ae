/// The synthetic timers of KVM, for the direct ones of a guest's: armed by one ioctl, they interrupt the guest
/// without a return to user space.
#pragma once

#include "hv/abi/types.hpp"
#include "hv/time/reference_time.hpp"

#include <atomic>
#include <cstdint>
#include <mutex>
#include <optional>

namespace vmm {

/// KVM's reference time of a partition, by which its timers run. KVM takes scale and offset from the partition's
/// reference TSC page, and keeps to them: then both are one clock, also when TSCs are wound back. Callable from any
/// VP's thread.
class KernelReferenceTime {
  public:
    explicit KernelReferenceTime(hv::ReferenceTime const& time) : time_{time} {}

    [[nodiscard]] hv::RefTime now() const { return time_.now(); }

    /// The guest has enabled its page, here. KVM looks at it when a VP enters the guest; one time is enough.
    void page_enabled(int vcpu_fd, hv::Gpa page);
    /// The page has another content, or will have when it is enabled again.
    void moved(int vcpu_fd, std::optional<hv::Gpa> page);
    /// That of one vCPU is another one. KVM goes by the TSC of that which was made first, whichever this is: they
    /// are compared anew.
    void tsc_moved();
    /// Whether KVM has it.
    [[nodiscard]] bool shared(int vcpu_fd)
    {
        return state_.load(std::memory_order_relaxed) == State::Shared || becomes_shared(vcpu_fd);
    }

  private:
    enum class State { NoPage, Told, Shared, Refused };

    [[nodiscard]] bool becomes_shared(int vcpu_fd);
    void tell(int vcpu_fd, hv::Gpa page);

    hv::ReferenceTime const& time_;
    std::mutex lock_; ///< changes of the next; what is compared is not moved meanwhile
    std::atomic<State> state_{State::NoPage};
    unsigned looks_ = 0;
};

/// Of one vCPU, on its thread.
class KernelTimers {
  public:
    /// Turns KVM's SynIC on for the vCPU, without which it has no timers. Throws HypervisorError.
    KernelTimers(int vcpu_fd, KernelReferenceTime& time);

    /// Asserts the vector once, at `when` or as soon as KVM can after it. False when KVM cannot; what was started for
    /// the timer before then still is.
    [[nodiscard]] bool start(unsigned timer, std::uint8_t vector, hv::RefTime when);
    void stop(unsigned timer);
    [[nodiscard]] bool runs(unsigned timer) const;

    void reference_tsc_page_enabled(hv::Gpa page) { time_.page_enabled(vcpu_fd_, page); }
    void reference_time_moved(std::optional<hv::Gpa> page) { time_.moved(vcpu_fd_, page); }
    void tsc_moved() { time_.tsc_moved(); }

  private:
    [[nodiscard]] bool near(hv::RefTime when);
    [[nodiscard]] bool set(unsigned timer, std::uint64_t config, std::uint64_t count) const;

    int const vcpu_fd_;
    KernelReferenceTime& time_;
    hv::RefTime near_until_{0};
};

} // namespace vmm
