#include "devices/vmbus/socket/protocol.hpp"

#include <algorithm>
#include <cstring>

namespace devices::vmbus::socket {

namespace {

constexpr auto service_template = hv::vmbus::guid("00000000-facb-11e6-bd58-64006a7986d3");
constexpr auto host_end_template = hv::vmbus::guid("00000000-6f70-4e8e-a1d2-5b1d3c0f9a47");

/// At the start of an offer's user-defined bytes.
struct [[gnu::packed]] UserDefined {
    std::uint32_t pipe_mode; ///< 0: a stream of bytes
    std::uint8_t from_host;
    std::uint8_t for_container;
    std::uint32_t version;
    std::uint8_t silo[16];
};

hv::vmbus::Guid with_port(hv::vmbus::Guid guid, Port port)
{
    std::memcpy(guid.bytes.data(), &port.value, sizeof port.value);
    return guid;
}

} // namespace

hv::vmbus::Guid service_of(Port port)
{
    return with_port(service_template, port);
}

std::optional<Port> port_of(hv::vmbus::Guid const& service)
{
    Port port;
    std::memcpy(&port.value, service.bytes.data(), sizeof port.value);
    if (service != service_of(port)) return std::nullopt;
    return port;
}

hv::vmbus::Guid host_end_of(Port port)
{
    return with_port(host_end_template, port);
}

hv::vmbus::OfferSpec offer(hv::vmbus::Guid const& service, hv::vmbus::Guid const& instance, Direction direction)
{
    namespace flags = hv::vmbus::channel_flags;
    hv::vmbus::OfferSpec spec;
    spec.interface = service;
    spec.instance = instance;
    spec.flags = flags::enumerate_device_interface | flags::named_pipe_mode | flags::hv_socket;
    UserDefined user{};
    user.from_host = direction == Direction::FromHost ? 1 : 0;
    user.version = 1;
    std::memcpy(spec.user_defined.data(), &user, sizeof user);
    return spec;
}

} // namespace devices::vmbus::socket
