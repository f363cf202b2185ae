#include "vmm/helper/passing.hpp"

#include <algorithm>
#include <array>
#include <cstring>
#include <sys/socket.h>
#include <sys/uio.h>

namespace vmm::helper {

namespace {

/// Room for the descriptors of a message.
struct Control {
    alignas(cmsghdr) std::array<std::byte, CMSG_SPACE(sizeof(int) * most_passed)> bytes{};
};

/// Who owns them now.
std::vector<UniqueFd> take_descriptors(msghdr& message)
{
    std::vector<UniqueFd> taken;
    for (auto* part = CMSG_FIRSTHDR(&message); part; part = CMSG_NXTHDR(&message, part)) {
        if (part->cmsg_level != SOL_SOCKET || part->cmsg_type != SCM_RIGHTS) continue;
        auto const count = (part->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        for (std::size_t i = 0; i < count; ++i) {
            int fd = -1;
            std::memcpy(&fd, CMSG_DATA(part) + i * sizeof fd, sizeof fd);
            taken.emplace_back(fd);
        }
    }
    return taken;
}

} // namespace

bool send_passing(int socket, std::span<std::byte const> bytes, std::span<int const> descriptors, int flags)
{
    iovec piece{const_cast<std::byte*>(bytes.data()), bytes.size()}; // it is only read
    msghdr message{};
    message.msg_iov = &piece;
    message.msg_iovlen = 1;
    Control control;
    auto const size = std::min(descriptors.size(), most_passed) * sizeof(int);
    if (size != 0) {
        message.msg_control = control.bytes.data();
        message.msg_controllen = CMSG_SPACE(size);
        auto* const part = CMSG_FIRSTHDR(&message);
        part->cmsg_level = SOL_SOCKET;
        part->cmsg_type = SCM_RIGHTS;
        part->cmsg_len = CMSG_LEN(size);
        std::memcpy(CMSG_DATA(part), descriptors.data(), size);
    }
    auto const sent = again_if_interrupted([&] { return ::sendmsg(socket, &message, flags | MSG_NOSIGNAL); });
    return sent == static_cast<ssize_t>(bytes.size());
}

Passed receive_passed(int socket, std::span<std::byte> bytes, int flags)
{
    iovec piece{bytes.data(), bytes.size()};
    msghdr message{};
    message.msg_iov = &piece;
    message.msg_iovlen = 1;
    Control control;
    message.msg_control = control.bytes.data();
    message.msg_controllen = control.bytes.size();
    Passed passed;
    passed.size = again_if_interrupted([&] { return ::recvmsg(socket, &message, flags | MSG_CMSG_CLOEXEC); });
    if (passed.size < 0) return passed;
    passed.descriptors = take_descriptors(message);
    passed.whole = (message.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) == 0;
    return passed;
}

} // namespace vmm::helper
