/// What a thread of porthole_compromised does when it is told to (testing/compromised/obey.cpp).
#pragma once

#include <csignal>
#include <cstdint>
#include <sys/types.h>

namespace vmm::jail::testing {

enum class Forbidden : std::uint8_t {
    OpenFile,       ///< the one that $PORTHOLE_SECRET names
    Connect,        ///< to a TCP port of this host
    Execute,        ///< a program
    Trace,          ///< the other process
    ReadMemory,     ///< the other process's
    OpenMemory,     ///< the other process's, in /proc
    TakeDescriptor, ///< of the other process, which may be a guest's memory
    MapCode,
};
inline constexpr unsigned forbidden_calls = static_cast<unsigned>(Forbidden::MapCode) + 1;

/// Comes as the value of a signal to the thread that is to obey.
struct Order {
    Forbidden call;
    pid_t other; ///< a process

    static constexpr int signal = SIGUSR1;

    [[nodiscard]] sigval value() const
    {
        sigval out{};
        out.sival_ptr = reinterpret_cast<void*>(std::uintptr_t{static_cast<std::uint8_t>(call)} << 32 |
                                                static_cast<std::uint32_t>(other));
        return out;
    }
    [[nodiscard]] static Order of(sigval value)
    {
        auto const word = reinterpret_cast<std::uintptr_t>(value.sival_ptr);
        return {static_cast<Forbidden>(word >> 32), static_cast<pid_t>(word & 0xFFFF'FFFF)};
    }
};

/// How the process ends that has obeyed and is still there.
inline constexpr int came_through = 100;
inline constexpr int was_refused = 101; ///< the kernel gave EACCES or EPERM

} // namespace vmm::jail::testing
