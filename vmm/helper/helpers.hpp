/// Porthole's helper processes, as Porthole sees them.
#pragma once

#include "devices/net/user_network.hpp"
#include "vmm/helper/spawner.hpp"
#include "vmm/host/unique_fd.hpp"
#include "vmm/options/run_options.hpp"

#include <cstddef>
#include <memory>
#include <mutex>
#include <span>
#include <string>

namespace vmm::helper {

/// What these guests may ask for.
[[nodiscard]] Policy policy_of(std::span<GuestOptions const> guests);

class ChildProcess;

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
    UniqueFd socket_;
    std::unique_ptr<ChildProcess> spawner_;
};

/// A process that is this one's child.
class ChildProcess final : public devices::net::NetworkProcess {
  public:
    explicit ChildProcess(UniqueFd pidfd) : pidfd_{std::move(pidfd)} {}
    ~ChildProcess() override;

    [[nodiscard]] std::string how_it_ended() override;
    void kill() override;

    [[nodiscard]] int pidfd() const { return pidfd_.get(); }

  private:
    [[nodiscard]] bool await_end(int milliseconds);

    UniqueFd const pidfd_;
    std::string how_; ///< once it has ended, and is no child any more
};

} // namespace vmm::helper
