#include "devices/vmbus/socket/handshake.hpp"

#include <charconv>

namespace devices::vmbus::socket {

std::optional<Port> requested_port(std::string_view line)
{
    constexpr std::string_view verb = "CONNECT ";
    if (!line.starts_with(verb) || !line.ends_with('\n')) return std::nullopt;
    line.remove_prefix(verb.size());
    line.remove_suffix(1);
    Port port;
    auto const* const end = line.data() + line.size();
    auto const [at, error] = std::from_chars(line.data(), end, port.value);
    if (error != std::errc{} || at != end) return std::nullopt;
    return port;
}

std::string greeting_for(Port host_end)
{
    return "OK " + std::to_string(host_end.value) + '\n';
}

std::string path_for(std::string const& base, Port port)
{
    return base + '_' + std::to_string(port.value);
}

} // namespace devices::vmbus::socket
