/// The guest's end of a connection of Hyper-V sockets, and the host's end of its UNIX socket.
#pragma once

#include "devices/base/unique_fd.hpp"
#include "devices/testing/vmbus_channel.hpp"
#include "devices/vmbus/socket/protocol.hpp"
#include "hv/testing/catch.hpp"

#include <cerrno>
#include <string>
#include <string_view>
#include <sys/socket.h>
#include <utility>

namespace devices::vmbus::socket::testing {

/// What the guest sends in one packet.
inline std::vector<std::byte> packet_of(std::string_view text, std::uint32_t type = packet_data)
{
    PacketHeader const header{type, static_cast<std::uint32_t>(text.size())};
    auto const head = std::as_bytes(std::span{&header, 1});
    auto const body = std::as_bytes(std::span{text});
    std::vector<std::byte> packet{head.begin(), head.end()};
    packet.insert(packet.end(), body.begin(), body.end());
    return packet;
}

/// What the guest reads from its ring until that is empty.
struct Received {
    std::string text;
    bool finished = false; ///< "no more comes"
    std::size_t longest = 0;
};

inline Received receive(devices::testing::DeviceChannel& channel)
{
    Received out;
    while (auto const packet = channel.receive()) {
        auto const header = packet->as<PacketHeader>();
        REQUIRE(header.type == packet_data);
        REQUIRE(header.size + sizeof header <= packet->payload.size());
        auto const* const bytes = reinterpret_cast<char const*>(packet->payload.data() + sizeof header);
        out.text.append(bytes, header.size);
        out.longest = std::max(out.longest, std::size_t{header.size});
        if (header.size == 0) out.finished = true;
    }
    return out;
}

/// Two ends of a UNIX socket; the first does not block.
inline std::pair<UniqueFd, UniqueFd> socket_pair()
{
    int ends[2];
    REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends) == 0);
    return {UniqueFd{ends[0]}, UniqueFd{ends[1]}};
}

/// What is there to read, without waiting; "" at the end as well.
inline std::string read_some(UniqueFd const& fd)
{
    std::string text(1 << 20, '\0');
    auto const count = ::recv(fd.get(), text.data(), text.size(), MSG_DONTWAIT);
    text.resize(count > 0 ? static_cast<std::size_t>(count) : 0);
    return text;
}

inline bool at_end(UniqueFd const& fd)
{
    char byte = 0;
    return ::recv(fd.get(), &byte, 1, MSG_DONTWAIT | MSG_PEEK) == 0;
}

inline void write_all(UniqueFd const& fd, std::string_view text)
{
    REQUIRE(::send(fd.get(), text.data(), text.size(), MSG_NOSIGNAL) == std::ssize(text));
}

} // namespace devices::vmbus::socket::testing
