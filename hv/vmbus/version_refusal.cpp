#include "hv/vmbus/version_refusal.hpp"

#include "hv/partition/communication.hpp"
#include "hv/partition/registry.hpp"

#include <array>
#include <cstdint>
#include <cstring>
#include <stdexcept>

namespace hv::vmbus {

namespace {

// Channel messages (Linux include/linux/hyperv.h: vmbus_channel_initiate_contact, vmbus_channel_version_response).
constexpr std::uint32_t initiate_contact = 14;
constexpr std::uint32_t version_response = 15;
constexpr abi::MessageType channel_message{1};
constexpr Sint message_sint{2};

struct VersionResponse {
    std::uint32_t type;
    std::uint32_t padding;
    std::uint8_t supported;
    std::uint8_t connection_state;
    std::uint16_t reserved;
    std::uint32_t connection_id;
};
static_assert(sizeof(VersionResponse) == 16);

constexpr std::array guest_connections{ConnectionId{1}, ConnectionId{4}};
constexpr PortId guest_port{0x00FF'FFFE};
constexpr std::uint32_t root_ids = 0x0010'0000; ///< the root's ports and connections for VMBus start here

void require(Status status)
{
    if (status != Status::Success) throw std::runtime_error{"the guest's memory pool is too small for VMBus"};
}

} // namespace

class VersionRefusal::Answerer final : public PortHandler {
  public:
    Answerer(Partition& root, ConnectionId reply_to) : root_{root}, reply_to_{reply_to} {}

    void on_message(abi::MessageType, std::span<std::byte const> payload) override
    {
        std::uint32_t type = 0;
        if (payload.size() < sizeof type) return;
        std::memcpy(&type, payload.data(), sizeof type);
        if (type != initiate_contact) return;

        VersionResponse const no{version_response, 0, 0, 0, 0, 0};
        abi::Message message{};
        message.header.type = channel_message;
        message.header.payload_size = sizeof no;
        std::memcpy(message.payload.data(), &no, sizeof no);
        // A guest that has sixteen answers waiting, or no SynIC to take one, gets no further one.
        (void)communication::post(root_, reply_to_, message);
    }
    void on_event(unsigned) override {}

  private:
    Partition& root_;
    ConnectionId const reply_to_;
};

VersionRefusal::VersionRefusal(std::shared_ptr<Partition> guest) : guest_{std::move(guest)}
{
    try {
        open();
    } catch (...) {
        close();
        throw;
    }
}

VersionRefusal::~VersionRefusal()
{
    close();
}

void VersionRefusal::open()
{
    auto& root = guest_->registry().root();
    PortSpec const to_guest{.type = abi::PortType::Message,
                            .sint = message_sint,
                            .target_vp = any_vp,
                            .connection_partition = root.id(),
                            .handler = nullptr};
    require(communication::create_port(*guest_, guest_port, to_guest));
    require(communication::connect(root, root_connection(), *guest_, guest_port, abi::PortType::Message));

    PortSpec const to_root{.type = abi::PortType::Message,
                           .connection_partition = guest_->id(),
                           .handler = std::make_shared<Answerer>(root, root_connection())};
    for (std::size_t i = 0; i < guest_connections.size(); ++i) {
        require(communication::create_port(root, root_port(i), to_root));
        require(communication::connect(*guest_, guest_connections[i], root, root_port(i), abi::PortType::Message));
    }
}

/// What is not there is not missed.
void VersionRefusal::close()
{
    auto& root = guest_->registry().root();
    for (std::size_t i = 0; i < guest_connections.size(); ++i)
        (void)communication::delete_port(root, root_port(i));
    (void)communication::disconnect(root, root_connection());
}

PortId VersionRefusal::root_port(std::size_t n) const
{
    auto const offset = guest_->id().value * guest_connections.size() + n;
    return PortId{root_ids + static_cast<std::uint32_t>(offset)};
}

ConnectionId VersionRefusal::root_connection() const
{
    return ConnectionId{root_ids + static_cast<std::uint32_t>(guest_->id().value)};
}

} // namespace hv::vmbus
