/// What confines a run: from its start on, more for each thread that begins, and all of it before a guest runs.
#pragma once

#include "devices/base/thread_role.hpp"
#include "vmm/jail/landlock.hpp"
#include "vmm/options/run_options.hpp"

#include <optional>
#include <string>

namespace vmm::jail {

/// One of a process. Its layers are those of JailOptions; what a thread is held to begins with its first step
/// (devices::OnThreadBegin), what the session's thread is held to by `close`.
class Jail {
  public:
    /// Closes what was inherited, becomes who the process is to be, and has threads that begin from now on confined.
    /// While there is one thread. `options` must outlive it. Throws UserError.
    explicit Jail(RunOptions const& options);
    Jail(Jail const&) = delete;
    Jail& operator=(Jail const&) = delete;
    ~Jail();

    /// What this host lacks of the layers that were asked for: one line, or nothing. With --jail strict the
    /// constructor has thrown it.
    [[nodiscard]] std::string const& missing() const { return missing_; }

    /// Confines the calling thread, which is the session's. All files of the guests are open. Throws
    /// std::system_error.
    void close();

  private:
    static void confine_thread(devices::ThreadRole role);
    void confine(devices::ThreadRole role) const;
    void look_for_missing();

    RunOptions const& options_;
    std::string missing_;
    std::optional<Landlock> files_;
    bool filters_ = false; ///< of system calls
};

} // namespace vmm::jail
