/// What Porthole, and the helpers, ask of the process that starts helpers, and what that answers: one message each,
/// over a SOCK_SEQPACKET socket, with descriptors beside it.
#pragma once

#include "vmm/helper/passing.hpp"
#include "vmm/host/unique_fd.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace vmm::helper {

enum class Wanted : std::uint32_t {
    UserNetwork = 1, ///< of Porthole: the process of a network card; `item` counts the guest's cards
    ResolvConf = 2,  ///< of such a process: the host's /etc/resolv.conf, as it is now, for reading
    BootFile = 3,    ///< likewise: a file of the folder that its network serves, for reading; its name follows
};

/// Numbers alone: what they stand for is looked up in the options that the user gave.
struct Request {
    Wanted wanted{};
    std::uint32_t guest = 0; ///< counts guests, in the order of the options
    std::uint32_t item = 0;
};
static_assert(sizeof(Request) == 12);

struct Answer {
    static constexpr std::size_t most_descriptors = most_passed;

    std::int32_t error = 0; ///< an errno; 0: descriptors come with it, as many as are wanted
    std::array<UniqueFd, most_descriptors> descriptors{};
};

inline constexpr std::size_t longest_name = 512; ///< bytes, of a BootFile; more than TFTP takes

/// The next message on a socket.
struct Received {
    enum class What : std::uint8_t { Message, Nonsense, End };

    What what = What::End;
    Request request{};
    std::string name{}; ///< of a BootFile, and of nothing else
};
/// A request of exactly these bytes, or nonsense.
[[nodiscard]] Received parse_request(std::span<std::byte const> bytes);
/// Waits for one. Descriptors that come with it are closed.
[[nodiscard]] Received receive_request(int socket);

/// False when nobody takes it, or it would have to wait for that. Allocates no memory.
bool send_request(int socket, Request const& request, std::string_view name = {});
bool send_answer(int socket, Answer const& answer);

/// Waits at most so long. Nothing when none has come, or what has come is no answer.
[[nodiscard]] std::optional<Answer> receive_answer(int socket, int patience_ms);

} // namespace vmm::helper
