/// A list of the system calls that a thread may make, by libseccomp.
#pragma once

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <memory>
#include <vector>

namespace vmm::jail {

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
inline constexpr bool sanitized = true; ///< built with a sanitizer that has a runtime with needs of its own
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
inline constexpr bool sanitized = true;
#else
inline constexpr bool sanitized = false;
#endif
#else
inline constexpr bool sanitized = false;
#endif

/// A condition on one argument of a call, which the kernel compares as 64 bits: what an argument's upper half holds
/// that the call itself ignores counts too. Pointers say nothing of what they point to.
struct Argument {
    enum class Is : std::uint8_t { Equal, Different, AtMost, AtLeast, Masked };

    unsigned index; ///< 0 to 5
    Is is;
    std::uint64_t value;
    std::uint64_t mask = 0; ///< of Masked: (argument & mask) == value

    [[nodiscard]] static constexpr Argument equals(unsigned index, std::uint64_t value)
    {
        return {index, Is::Equal, value};
    }
    [[nodiscard]] static constexpr Argument differs(unsigned index, std::uint64_t value)
    {
        return {index, Is::Different, value};
    }
    [[nodiscard]] static constexpr Argument at_most(unsigned index, std::uint64_t value)
    {
        return {index, Is::AtMost, value};
    }
    [[nodiscard]] static constexpr Argument at_least(unsigned index, std::uint64_t value)
    {
        return {index, Is::AtLeast, value};
    }
    /// Has these of the bits in `mask`. The right one for a flags word, or an int: the lower 32 bits alone.
    [[nodiscard]] static constexpr Argument masked(unsigned index, std::uint64_t mask, std::uint64_t value)
    {
        return {index, Is::Masked, value, mask};
    }
};

/// Calls are numbers of <sys/syscall.h>. A call by another interface than the process's own (32-bit, x32) ends the
/// process. Members throw std::system_error, what the kernel or libseccomp says; their order does not matter, but
/// that a call without a condition takes the place of conditions for it.
class SeccompFilter {
  public:
    enum class Otherwise {
        KillProcess,
        Trap,   ///< SIGSYS, which a handler may answer (seccomp(2))
        Refuse, ///< ENOSYS, as a kernel that does not know the call: for programs of others
    };

    /// What becomes of calls that nothing below is about.
    explicit SeccompFilter(Otherwise otherwise = Otherwise::KillProcess);
    SeccompFilter(SeccompFilter&&) noexcept;
    SeccompFilter& operator=(SeccompFilter&&) noexcept;
    ~SeccompFilter();

    SeccompFilter& allow(std::initializer_list<int> calls);
    /// Where all conditions hold, at most one for each argument. Again for the same call: or where all of those hold.
    SeccompFilter& allow(int call, std::initializer_list<Argument> conditions);
    /// The call does nothing and gives `error`, for what a library tries and can do without.
    SeccompFilter& refuse(int call, int error, std::initializer_list<Argument> conditions = {});
    SeccompFilter& trap(int call);
    /// What the runtime of a sanitizer calls by itself while the program goes on; nothing in a build without one.
    SeccompFilter& allow_for_sanitizers();

    /// The program that the kernel gets: sock_filter of <linux/filter.h>, 8 bytes each.
    [[nodiscard]] std::vector<std::byte> program() const;

    /// Holds for the calling thread from now on, and for those that it starts; beside what was loaded before, of
    /// which the stricter counts. Sets no_new_privs if need be.
    void load() const;

  private:
    struct Free {
        void operator()(void* context) const;
    };
    void add(std::uint32_t action, int call, std::initializer_list<Argument> conditions);

    std::unique_ptr<void, Free> context_;
};

} // namespace vmm::jail
