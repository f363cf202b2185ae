/// Messages with descriptors beside them, over SOCK_SEQPACKET sockets (unix(7), SCM_RIGHTS).
#pragma once

#include "vmm/host/unique_fd.hpp"

#include <cerrno>
#include <cstddef>
#include <span>
#include <sys/types.h>
#include <vector>

namespace vmm::helper {

inline constexpr std::size_t most_passed = 3; ///< descriptors in a message

template <typename Call>
ssize_t again_if_interrupted(Call call)
{
    for (;;) {
        auto const result = call();
        if (result >= 0 || errno != EINTR) return result;
    }
}

/// False when nobody takes it, and errno says why. `flags` as those of sendmsg(2); no signal comes of it.
bool send_passing(int socket, std::span<std::byte const> bytes, std::span<int const> descriptors, int flags);

struct Passed {
    ssize_t size = 0;   ///< 0 at the end, -1 with errno
    bool whole = false; ///< nothing of it was too long
    std::vector<UniqueFd> descriptors{};
};
/// `flags` as those of recvmsg(2).
[[nodiscard]] Passed receive_passed(int socket, std::span<std::byte> bytes, int flags);

} // namespace vmm::helper
