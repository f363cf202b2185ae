/// What joins a user-mode network's two processes: memory with a ring of frames for each direction, and a socket for
/// all else. Neither end believes the other.
#pragma once

#include "devices/base/unique_fd.hpp"
#include "devices/net/frame_ring.hpp"

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace devices::net {

/// One end's descriptors.
struct LinkEnd {
    UniqueFd socket; ///< SOCK_SEQPACKET
    UniqueFd memory; ///< a memfd whose size is sealed
};

/// Both ends, for the VMM and for the network. Throws std::system_error.
struct LinkPair {
    LinkEnd vmm;
    LinkEnd network;
};
[[nodiscard]] LinkPair make_link();

/// The memory, as one end has it mapped.
class LinkMemory {
  public:
    static constexpr std::size_t to_network_size = std::size_t{512} << 10;
    static constexpr std::size_t to_guest_size = std::size_t{256} << 10;

    /// In front of the rings.
    struct Head {
        RingState to_network;
        RingState to_guest;
        std::atomic<std::uint64_t> dropped_from_guest{0}; ///< frames: the network counts them, for whoever asks
        std::atomic<std::uint64_t> dropped_to_guest{0};
    };
    static constexpr std::size_t head_size = 4096;
    static constexpr std::size_t size = head_size + to_network_size + to_guest_size;
    static_assert(sizeof(Head) <= head_size);

    /// Throws std::system_error when it is not what `make_link` makes.
    explicit LinkMemory(int fd);
    LinkMemory(LinkMemory const&) = delete;
    LinkMemory& operator=(LinkMemory const&) = delete;
    ~LinkMemory();

    [[nodiscard]] Head& head() const { return *reinterpret_cast<Head*>(base_); }
    [[nodiscard]] std::span<std::byte> to_network() const { return {base_ + head_size, to_network_size}; }
    [[nodiscard]] std::span<std::byte> to_guest() const
    {
        return {base_ + head_size + to_network_size, to_guest_size};
    }

  private:
    std::byte* base_;
};

enum class LinkMessage : char {
    Wake = 'k',    ///< there are frames; from either end
    Pause = 'p',   ///< to the network: its time stands still, and it does nothing
    Resume = 'r',  ///< to the network
    Ready = 'R',   ///< from the network: it works
    Failed = 'F',  ///< from it, with a text: it cannot, and ends
    Warning = 'w', ///< from it, with a text for the user's log
};

/// One end of the socket. Nothing waits. A descriptor that the other process has too is never made to wait by flags
/// alone, because that one could change them: each call says for itself that it does not.
class LinkSocket {
  public:
    static constexpr std::size_t longest_text = 1000; ///< bytes; longer ones are cut

    struct Message {
        LinkMessage kind{};
        std::string text;
    };

    explicit LinkSocket(UniqueFd fd) : fd_{std::move(fd)} {}

    [[nodiscard]] int fd() const { return fd_.get(); }
    /// False when the other end does not read what it was sent, or has gone.
    bool send(LinkMessage kind, std::string_view text = {}) const;
    /// Nothing when none has come; `gone` when none will. What is no message is Wake: it says as much. A text is one
    /// line of printable ASCII.
    [[nodiscard]] std::optional<Message> receive();
    [[nodiscard]] bool gone() const { return gone_; }

  private:
    UniqueFd fd_;
    bool gone_ = false;
};

} // namespace devices::net
