#include "vmm/helper/messages.hpp"

#include "vmm/helper/passing.hpp"

#include <algorithm>
#include <cstring>
#include <poll.h>
#include <sys/socket.h>

namespace vmm::helper {

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
