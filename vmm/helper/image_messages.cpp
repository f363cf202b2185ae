#include "vmm/helper/image_messages.hpp"

#include "vmm/helper/passing.hpp"

#include <linux/limits.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <poll.h>
#include <sys/socket.h>
#include <utility>
#include <vector>

namespace vmm::helper {

namespace {

using devices::block::ImageFormat;
using devices::block::ImageRequest;

struct Head {
    std::uint8_t format = 0;
    std::uint8_t told = 0;
    std::uint8_t read_only = 0;
    std::uint8_t zero = 0;
};
constexpr std::size_t longest_request = sizeof(Head) + std::size_t{2} * PATH_MAX;
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

std::optional<ImageRequest> parse_image_request(std::span<std::byte const> bytes)
{
    Head head;
    if (bytes.size() <= sizeof head || bytes.size() > longest_request) return std::nullopt;
    std::memcpy(&head, bytes.data(), sizeof head);
    if (head.format > static_cast<std::uint8_t>(ImageFormat::Vmdk) || head.told > 1 || head.read_only > 1 ||
        head.zero != 0)
        return std::nullopt;
    std::string_view const names{reinterpret_cast<char const*>(bytes.data()) + sizeof head,
                                 bytes.size() - sizeof head};
    auto const between = names.find('\0');
    if (between == 0 || between == std::string_view::npos || names.find('\0', between + 1) != std::string_view::npos)
        return std::nullopt;
    return ImageRequest{.image = std::string{names.substr(0, between)},
                        .format = static_cast<ImageFormat>(head.format),
                        .told = head.told == 1,
                        .read_only = head.read_only == 1,
                        .backing = std::string{names.substr(between + 1)}};
}

int send_image_request(int socket, ImageRequest const& request, UniqueFd answer)
{
    if (request.image.empty()) return ENOENT;
    if (request.image.size() >= PATH_MAX || request.backing.size() >= PATH_MAX) return ENAMETOOLONG;
    Head const head{static_cast<std::uint8_t>(request.format), static_cast<std::uint8_t>(request.told),
                    static_cast<std::uint8_t>(request.read_only)};
    std::string bytes(sizeof head, '\0');
    std::memcpy(bytes.data(), &head, sizeof head);
    bytes.append(request.image).append(1, '\0').append(request.backing);
    return send_passing(socket, std::as_bytes(std::span{bytes}), std::array{answer.get()}, 0) ? 0 : errno;
}

ArrivedImageRequest receive_image_request(int socket)
{
    std::array<std::byte, longest_request + 1> bytes{}; // one more: a longer message is none
    auto passed = receive_passed(socket, bytes, 0);
    if (passed.size <= 0) return {.end = true};
    ArrivedImageRequest arrived;
    if (passed.descriptors.size() != 1 || !passed.whole) return arrived;
    arrived.request = parse_image_request(std::span{bytes}.first(static_cast<std::size_t>(passed.size)));
    arrived.answer = std::move(passed.descriptors.front());
    return arrived;
}

bool send_connection(int socket, int connection)
{
    return send_text(socket, "serves", std::array{connection});
}

bool send_end(int socket, std::string_view how)
{
    return send_text(socket, how, {});
}

std::optional<ImageNews> receive_image_news(int socket, int patience_ms)
{
    pollfd polled{socket, POLLIN, 0};
    if (again_if_interrupted([&] { return ::poll(&polled, 1, patience_ms); }) <= 0) return std::nullopt;
    std::array<char, 2 * longest_words> text{};
    auto passed = receive_passed(socket, std::as_writable_bytes(std::span{text}), MSG_DONTWAIT);
    if (passed.size <= 0) return std::nullopt;
    ImageNews news;
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
