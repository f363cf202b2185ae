/// What confines a run: from its start on, more for each thread that begins, and all of it before a guest runs.
#pragma once

#include "vmm/jail/landlock.hpp"
#include "vmm/jail/thread_calls.hpp"
#include "vmm/options/run_options.hpp"

#include <array>
#include <cstddef>
#include <optional>
#include <string>
#include <vector>

namespace vmm::jail {

/// One of a process. Its layers are those of JailOptions; what a thread is held to begins with its first step
/// (devices::OnThreadBegin), what the session's thread is held to by `close`.
class Jail {
  public:
    /// Closes what was inherited, becomes who the process is to be, and has threads that begin from now on confined.
    /// While there is one thread. `options` must outlive it. Throws UserError.
    Jail(RunOptions const& options, HypervisorRequests const& requests);
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
    using Program = std::vector<std::byte>; ///< of a filter

    static void confine_thread(devices::ThreadRole role);
    void confine(devices::ThreadRole role) const;
    void look_for_missing();
    void prepare_calls(HypervisorRequests const& requests);

    RunOptions const& options_;
    std::string missing_;
    std::optional<Landlock> files_;
    std::array<Program, devices::thread_roles> calls_{};
};

} // namespace vmm::jail
