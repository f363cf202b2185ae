/// What becomes of a process one of whose threads made a system call that is not on its list.
#pragma once

namespace vmm::jail {

inline constexpr int violation_status = 2; ///< of the process

/// From now on SIGSYS writes one line to standard error, which names the thread and the call, and ends the process at
/// once. The line is left out when nobody reads there. Once, while there is one thread.
void tell_violations();

/// What is done before the process ends like this, on the thread at fault: by calls that all lists have, and that a
/// signal handler may make. Set while there is one thread.
using LastAct = void (*)() noexcept;
void set_last_act(LastAct act);

/// Ends the process with that status and one line: a thread could not be confined.
[[noreturn]] void end_unconfined(char const* thread, char const* why);

} // namespace vmm::jail
