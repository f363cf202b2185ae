/// How a guest's run ended.
#pragma once

#include <string>

namespace vmm {

struct Outcome {
    enum class Kind {
        PowerOff,    ///< by the guest
        Reset,       ///< by the guest
        Quit,        ///< by the user, at the console
        DebugExit,   ///< by a test kernel; `status` is the exit status that it asked for
        Died,        ///< it could run no further, or said that it crashed; `text` says why, in whole lines
        TripleFault, ///< by the guest: a reset or a death, as its options say; `text` is that of the death
        HostError,   ///< Porthole cannot go on; `text` is one line
        Forced,      ///< by a signal; `status` is its number
    };

    Kind kind = Kind::PowerOff;
    int status = 0;
    std::string text;
};

/// In a few words, for the log: "powered off", "died".
[[nodiscard]] std::string describe(Outcome const& outcome);

/// Of a guest that died, or that has reported a crash, however it ended.
inline constexpr int guest_died = 1;

/// What a run that ended so adds to the process's exit status.
[[nodiscard]] int exit_status(Outcome const& outcome);

} // namespace vmm
