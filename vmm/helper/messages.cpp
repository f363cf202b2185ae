#include "vmm/helper/messages.hpp"

#include "vmm/helper/passing.hpp"

#include <algorithm>
#include <cstring>
#include <poll.h>
#include <sys/socket.h>
#include <sys/uio.h>

namespace vmm::helper {

Received parse_request(std::span<std::byte const> bytes)
{
    Received received{.what = Received::What::Nonsense, .request = {}, .name = {}};
    auto& [what, request, name] = received;
    if (bytes.size() < sizeof request || bytes.size() > sizeof request + longest_name) return received;
    std::memcpy(&request, bytes.data(), sizeof request);
    auto const rest = bytes.subspan(sizeof request);
    name.assign(reinterpret_cast<char const*>(rest.data()), rest.size());
    bool const named = request.wanted == Wanted::BootFile;
    if (named != name.empty() && name.find('\0') == std::string::npos) what = Received::What::Message;
    return received;
}

Received receive_request(int socket)
{
    std::array<std::byte, sizeof(Request) + longest_name + 1> bytes{}; // one more: a longer message is none
    auto const size = again_if_interrupted([&] { return ::recv(socket, bytes.data(), bytes.size(), 0); });
    if (size <= 0) return {};
    return parse_request(std::span{bytes}.first(static_cast<std::size_t>(size)));
}

bool send_request(int socket, Request const& request, std::string_view name)
{
    std::array pieces{iovec{const_cast<Request*>(&request), sizeof request},
                      iovec{const_cast<char*>(name.data()), name.size()}};
    msghdr message{};
    message.msg_iov = pieces.data();
    message.msg_iovlen = pieces.size();
    auto const sent = again_if_interrupted([&] { return ::sendmsg(socket, &message, MSG_NOSIGNAL | MSG_DONTWAIT); });
    return sent == static_cast<ssize_t>(sizeof request + name.size());
}

bool send_answer(int socket, Answer const& answer)
{
    std::array<int, Answer::most_descriptors> fds{};
    std::size_t count = 0;
    for (auto const& fd : answer.descriptors)
        if (fd) fds[count++] = fd.get();
    return send_passing(socket, std::as_bytes(std::span{&answer.error, 1}), std::span{fds}.first(count),
                        MSG_DONTWAIT);
}

std::optional<Answer> receive_answer(int socket, int patience_ms)
{
    pollfd polled{socket, POLLIN, 0};
    if (again_if_interrupted([&] { return ::poll(&polled, 1, patience_ms); }) <= 0) return std::nullopt;
    Answer answer;
    auto passed = receive_passed(socket, std::as_writable_bytes(std::span{&answer.error, 1}), MSG_DONTWAIT);
    if (passed.size != sizeof answer.error || !passed.whole) return std::nullopt;
    if (passed.descriptors.size() > answer.descriptors.size()) return std::nullopt;
    std::ranges::move(passed.descriptors, answer.descriptors.begin());
    return answer;
}

} // namespace vmm::helper
