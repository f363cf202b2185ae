#include "vmm/helper/messages.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <poll.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <vector>

namespace vmm::helper {

namespace {

/// Room for the descriptors of a message.
struct Control {
    alignas(cmsghdr) std::array<std::byte, CMSG_SPACE(sizeof(int) * Answer::most_descriptors)> bytes{};
};

template <typename Call>
ssize_t again_if_interrupted(Call call)
{
    for (;;) {
        auto const result = call();
        if (result >= 0 || errno != EINTR) return result;
    }
}

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

std::optional<Request> parse_request(std::span<std::byte const> bytes)
{
    Request request;
    if (bytes.size() != sizeof request) return std::nullopt;
    std::memcpy(&request, bytes.data(), sizeof request);
    return request;
}

Received receive_request(int socket)
{
    std::array<std::byte, sizeof(Request) + 1> bytes{}; // one more: a longer message is none
    auto const size = again_if_interrupted([&] { return ::recv(socket, bytes.data(), bytes.size(), 0); });
    if (size <= 0) return {};
    auto const request = parse_request(std::span{bytes}.first(static_cast<std::size_t>(size)));
    return request ? Received{Received::What::Message, *request} : Received{Received::What::Nonsense, {}};
}

bool send_request(int socket, Request const& request)
{
    return again_if_interrupted([&] {
               return ::send(socket, &request, sizeof request, MSG_NOSIGNAL | MSG_DONTWAIT);
           }) == sizeof request;
}

bool send_answer(int socket, Answer const& answer)
{
    auto error = answer.error;
    iovec piece{&error, sizeof error};
    msghdr message{};
    message.msg_iov = &piece;
    message.msg_iovlen = 1;
    Control control;
    std::size_t count = 0;
    std::array<int, Answer::most_descriptors> fds{};
    for (auto const& fd : answer.descriptors)
        if (fd) fds[count++] = fd.get();
    if (count != 0) {
        message.msg_control = control.bytes.data();
        message.msg_controllen = CMSG_SPACE(sizeof(int) * count);
        auto* const part = CMSG_FIRSTHDR(&message);
        part->cmsg_level = SOL_SOCKET;
        part->cmsg_type = SCM_RIGHTS;
        part->cmsg_len = CMSG_LEN(sizeof(int) * count);
        std::memcpy(CMSG_DATA(part), fds.data(), sizeof(int) * count);
    }
    return again_if_interrupted([&] { return ::sendmsg(socket, &message, MSG_NOSIGNAL | MSG_DONTWAIT); }) ==
           sizeof error;
}

std::optional<Answer> receive_answer(int socket, int patience_ms)
{
    pollfd polled{socket, POLLIN, 0};
    if (again_if_interrupted([&] { return ::poll(&polled, 1, patience_ms); }) <= 0) return std::nullopt;
    Answer answer;
    iovec piece{&answer.error, sizeof answer.error};
    msghdr message{};
    message.msg_iov = &piece;
    message.msg_iovlen = 1;
    Control control;
    message.msg_control = control.bytes.data();
    message.msg_controllen = control.bytes.size();
    auto const size =
        again_if_interrupted([&] { return ::recvmsg(socket, &message, MSG_CMSG_CLOEXEC | MSG_DONTWAIT); });
    if (size < 0) return std::nullopt;
    auto taken = take_descriptors(message);
    auto const is_whole = (message.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) == 0;
    if (size != sizeof answer.error || !is_whole || taken.size() > answer.descriptors.size()) return std::nullopt;
    std::ranges::move(taken, answer.descriptors.begin());
    return answer;
}

} // namespace vmm::helper
