/// Processes that Porthole has begun.
#pragma once

#include "devices/net/user_network.hpp"
#include "vmm/host/unique_fd.hpp"

#include <functional>
#include <memory>
#include <string>
#include <utility>

namespace vmm::helper {

/// A process that is this one's child.
class ChildProcess final : public devices::net::NetworkProcess {
  public:
    explicit ChildProcess(UniqueFd pidfd) : pidfd_{std::move(pidfd)} {}
    ~ChildProcess() override;

    [[nodiscard]] std::string how_it_ended() override;
    void kill() override;

    /// How it has ended, or empty when it is there after that time.
    [[nodiscard]] std::string const& ended_within(int milliseconds);
    [[nodiscard]] int pidfd() const { return pidfd_.get(); }

  private:
    UniqueFd const pidfd_;
    std::string how_; ///< once it has ended, and is no child any more
};

/// A process that answers on a socket.
struct ForkedHelper {
    UniqueFd socket{}; ///< SOCK_SEQPACKET
    std::unique_ptr<ChildProcess> process{};
};

/// `body` runs in a copy of this process, with the other end of the socket, and does not return. While this process
/// has one thread. Throws std::system_error.
[[nodiscard]] ForkedHelper fork_helper(std::function<void(UniqueFd)> const& body);

} // namespace vmm::helper
