#include "vmm/helper/image_messages.hpp"

#include "vmm/helper/passing.hpp"

#include <linux/limits.h>

#include <array>
#include <cerrno>
#include <cstdint>
#include <cstring>
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

} // namespace vmm::helper
