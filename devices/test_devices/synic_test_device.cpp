#include "devices/test_devices/synic_test_device.hpp"

#include "hv/partition/communication.hpp"
#include "hv/vp/virtual_processor.hpp"

namespace devices {

namespace {

enum class Command : std::uint8_t {
    CreateRoute = 1,
    DestroyRoute,
    AssertSint,
    ConnectMessages,
    DisconnectMessages,
    ConnectEvents,
    DisconnectEvents,
};

constexpr std::uint32_t port_ids = 0x00FF'FE00; ///< a connection's port has its number added to this

} // namespace

std::uint32_t SynicTestDevice::read(std::uint16_t, unsigned)
{
    return 0;
}

void SynicTestDevice::write(std::uint16_t offset, unsigned size, std::uint32_t value)
{
    if (offset != 0 || size != 4) return;
    Request const request{hv::Sint{value & 0xFF}, hv::VpIndex{value >> 8 & 0xFF},
                          static_cast<std::uint8_t>(value >> 24)};
    switch (static_cast<Command>(value >> 16 & 0xFF)) {
    case Command::CreateRoute:
    case Command::DestroyRoute: break; // a SINT of ours needs no route to be asserted
    case Command::AssertSint: assert_sint(request); break;
    case Command::ConnectMessages: connect(request, false); break;
    case Command::ConnectEvents: connect(request, true); break;
    case Command::DisconnectMessages:
    case Command::DisconnectEvents: disconnect(request); break;
    }
}

void SynicTestDevice::assert_sint(Request const& request) const
{
    auto* const vp = partition_->vp(request.vp);
    if (vp && request.sint.value < hv::sint_count) vp->synic().assert_sint(request.sint);
}

/// An event connection sets the flag that has the connection's number.
void SynicTestDevice::connect(Request const& request, bool events) const
{
    auto const type = events ? hv::abi::PortType::Event : hv::abi::PortType::Message;
    hv::PortId const port{port_ids + request.connection};
    auto const made =
        hv::communication::create_port(*partition_, port,
                                       {.type = type,
                                        .sint = request.sint,
                                        .target_vp = request.vp,
                                        .base_flag = events ? std::uint16_t{request.connection} : std::uint16_t{0},
                                        .flag_count = events ? std::uint16_t{1} : std::uint16_t{0},
                                        .connection_partition = partition_->id(),
                                        .handler = nullptr});
    if (made != hv::Status::Success) return;
    hv::ConnectionId const connection{request.connection};
    if (hv::communication::connect(*partition_, connection, *partition_, port, type) != hv::Status::Success)
        (void)hv::communication::delete_port(*partition_, port);
}

void SynicTestDevice::disconnect(Request const& request) const
{
    hv::PortId const port{port_ids + request.connection};
    if (hv::communication::delete_port(*partition_, port) != hv::Status::Success) return; // not one of ours
    (void)hv::communication::disconnect(*partition_, hv::ConnectionId{request.connection});
}

} // namespace devices
