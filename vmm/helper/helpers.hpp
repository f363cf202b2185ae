/// Porthole's helper processes, as Porthole sees them.
#pragma once

#include "devices/net/user_network.hpp"
#include "vmm/helper/child_process.hpp"
#include "vmm/helper/file_policy.hpp"
#include "vmm/helper/spawner.hpp"
#include "vmm/host/unique_fd.hpp"
#include "vmm/options/run_options.hpp"

#include <cstddef>
#include <memory>
#include <mutex>
#include <span>
#include <string>

namespace vmm::helper {

/// What these guests may ask for. Throws UserError when a folder that a network is to serve is none.
[[nodiscard]] Policy policy_of(std::span<GuestOptions const> guests);

/// The files that a run names, and its folders. Throws std::system_error when one of these is none.
[[nodiscard]] FilePolicy file_policy_of(RunOptions const& options);

/// Whether a thread of this run opens files when it is confined: those that open disks always are, and the session's
/// is once guests run, when commands or a guest that starts anew may have it open some.
[[nodiscard]] bool opens_files_confined(RunOptions const& options);

/// Callable from any thread.
class Helpers {
  public:
    /// Starts the process that starts helpers, when the policy names any. `program` is what helpers execute. While
    /// this process has one thread, and little open. Throws std::system_error.
    explicit Helpers(Policy policy, char const* program = "/proc/self/exe");
    Helpers(Helpers const&) = delete;
    Helpers& operator=(Helpers const&) = delete;
    /// Ends that process; what it has started ends with whoever has it.
    ~Helpers();

    /// The network of a guest's card: both count from 0. Throws std::runtime_error with one line that says what to
    /// do.
    [[nodiscard]] std::unique_ptr<devices::net::UserNetwork> user_network(std::size_t guest, std::size_t card,
                                                                          devices::net::UserNetwork::Warn warn);

  private:
    std::mutex mutex_; ///< a request and its answer
    ForkedHelper spawner_;
};

} // namespace vmm::helper
