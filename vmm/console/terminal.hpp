/// The user's terminal in raw mode, so that every key reaches the guest; given back on every way out.
#pragma once

namespace vmm {

/// One per process at a time, because signal handlers have to find it.
///
/// It goes back to the modes it was found in when this object ends, at exit(), on a signal that ends the process by
/// default (SIGHUP, SIGINT, SIGQUIT, SIGTERM, unless somebody else handles them) and on a crash (SIGSEGV, SIGBUS,
/// SIGILL, SIGFPE, SIGABRT); the signal then takes its course. SIGKILL is the exception.
class Terminal {
  public:
    /// `fd` is the input side. One that is no terminal is fine: then nothing here does anything.
    explicit Terminal(int fd);
    Terminal(Terminal const&) = delete;
    Terminal& operator=(Terminal const&) = delete;
    ~Terminal();

    [[nodiscard]] bool is_terminal() const { return is_terminal_; }

    /// Whether this process may use the terminal now: it is in the foreground, or no shell controls jobs on it.
    /// Reading or changing it from the background would stop the process.
    [[nodiscard]] bool in_foreground() const;

    /// Goes to raw mode, at first or again after the process was stopped and continued. Output processing stays as it
    /// is, so that Porthole's own messages look right. Does nothing when in the background. The modes that it goes
    /// back to are those of the first time in the foreground: before that, a shell's line editor may have set its
    /// own.
    void make_raw();

    /// Back to the modes that were found. May be called from a signal handler, and more than once.
    static void restore() noexcept;

  private:
    int fd_;
    bool is_terminal_;
    bool knows_modes_ = false; ///< what it goes back to
};

} // namespace vmm
