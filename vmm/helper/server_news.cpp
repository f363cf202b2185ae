#include "vmm/helper/server_news.hpp"

#include "vmm/helper/passing.hpp"

#include <algorithm>
#include <array>
#include <cstddef>
#include <poll.h>
#include <span>
#include <sys/socket.h>
#include <utility>

namespace vmm::helper {

namespace {

constexpr std::size_t longest_words = 400;

template <typename Text>
std::string printable(Text const& text)
{
    std::string out{text};
    std::ranges::replace_if(
        out, [](unsigned char c) { return c < ' ' || c == 0x7F; }, ' ');
    return out;
}

bool send_text(int socket, std::string_view text, std::span<int const> descriptors)
{
    return send_passing(socket, std::as_bytes(std::span{text}), descriptors, MSG_DONTWAIT);
}

} // namespace

bool send_connection(int socket, int connection)
{
    return send_text(socket, "serves", std::array{connection});
}

bool send_end(int socket, std::string_view how)
{
    return send_text(socket, how, {});
}

std::optional<ServerNews> receive_server_news(int socket, int patience_ms)
{
    pollfd polled{socket, POLLIN, 0};
    if (again_if_interrupted([&] { return ::poll(&polled, 1, patience_ms); }) <= 0) return std::nullopt;
    std::array<char, 2 * longest_words> text{};
    auto passed = receive_passed(socket, std::as_writable_bytes(std::span{text}), MSG_DONTWAIT);
    if (passed.size <= 0) return std::nullopt;
    ServerNews news;
    if (passed.descriptors.size() == 1)
        news.connection = std::move(passed.descriptors.front());
    else
        news.end = printable(std::string_view{text.data(), static_cast<std::size_t>(passed.size)});
    return news;
}

std::string last_words(std::string_view text)
{
    while (text.ends_with('\n'))
        text.remove_suffix(1);
    auto const line = text.rfind('\n');
    if (line != std::string_view::npos) text.remove_prefix(line + 1);
    return printable(text.substr(0, longest_words));
}

} // namespace vmm::helper
