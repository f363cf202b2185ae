/// What a test does to a process that has no way back.
#pragma once

#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

namespace vmm::jail::testing {

/// How a child has ended: its status, or the signal.
struct End {
    int status = -1;
    int signal = 0;
    friend bool operator==(End, End) = default;
};

inline constexpr int threw = 99;

/// Runs the body in a child of one thread; what it returns is the child's status.
template <typename Body>
End in_child(Body body)
{
    auto const child = ::fork();
    if (child == 0) {
        int status = threw;
        try {
            status = body();
        } catch (...) {
        }
        ::_exit(status);
    }
    int raw = 0;
    if (child < 0 || ::waitpid(child, &raw, 0) != child) return {};
    if (WIFSIGNALED(raw)) return {-1, WTERMSIG(raw)};
    return {WEXITSTATUS(raw), 0};
}

} // namespace vmm::jail::testing
