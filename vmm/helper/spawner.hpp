/// The process that starts helpers for Porthole. It begins before Porthole opens anything and starts a thread, and
/// looks at nothing but requests.
#pragma once

#include "devices/net/port_forward.hpp"
#include "devices/net/slirp_network.hpp"
#include "vmm/helper/messages.hpp"
#include "vmm/host/unique_fd.hpp"

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace vmm::helper {

/// What may be asked for: what the user's options name.
struct Policy {
    struct Network {
        std::string guest; ///< what to call it
        std::vector<devices::net::PortForward> forwards;
        devices::net::BootFiles files{}; ///< the folder without symbolic links, from the root on
    };
    using Key = std::pair<std::uint32_t, std::uint32_t>; ///< guest, card

    std::map<Key, Network> networks;
};

/// Answers requests; what starts processes is given to it, so that tests and fuzzing have others.
class Spawner {
  public:
    /// A process that was started: what the asker gets.
    struct Started {
        UniqueFd socket;
        UniqueFd memory;
        UniqueFd process;    ///< a pidfd
        UniqueFd requests{}; ///< on which the process asks for files; stays here
    };
    using Start = std::function<Started(Policy::Network const&)>; ///< throws std::system_error

    Spawner(Policy policy, Start start) : policy_{std::move(policy)}, start_{std::move(start)} {}

    /// EPERM for what the options do not name. A network has one process: one that it still has ends first.
    [[nodiscard]] Answer answer(Request const& request);

    /// Answers what Porthole asks on this socket, and its helpers on theirs, until Porthole's has no other end.
    void serve(int socket);

  private:
    struct Running {
        UniqueFd process;
        UniqueFd requests;
    };

    Policy const policy_;
    Start const start_;
    std::map<Policy::Key, Running> processes_;
};

/// To the process of a network: EPERM for all but ResolvConf, whose file is opened anew for each request, because
/// programs that keep it up to date replace it, and BootFile, of the folder that the network serves.
[[nodiscard]] Answer answer_helper(Received const& asked, Policy::Network const& network,
                                   char const* resolv_conf = "/etc/resolv.conf");

/// The user's view of it, in a list of processes.
inline constexpr char const* user_network_command = "user-network-process";

/// Starts the process of a network: `program` executed anew, a child of the calling process's parent. Its descriptors
/// are those below; its arguments `user_network_command`, the guest, the folder and the name of BootFiles, and the
/// forwards.
/// Executed, not forked: it has an address space of its own making, of which whoever takes it over learns nothing of
/// Porthole's. Throws std::system_error.
[[nodiscard]] Spawner::Started start_user_network(int program, Policy::Network const& network);

inline constexpr int link_socket_fd = 3;
inline constexpr int link_memory_fd = 4;
inline constexpr int requests_fd = 5; ///< where it may ask for files

/// The process's life: until `socket` has no other end. In a fresh child.
[[noreturn]] void run_spawner(UniqueFd socket, UniqueFd program, Policy policy);

} // namespace vmm::helper
