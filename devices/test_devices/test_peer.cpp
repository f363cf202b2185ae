#include "devices/test_devices/test_peer.hpp"

#include "hv/partition/communication.hpp"
#include "hv/partition/registry.hpp"

#include <algorithm>
#include <cstring>
#include <deque>
#include <new>
#include <span>

namespace devices {

namespace comm = hv::communication;

/// What has arrived at one of the root's ports and not been taken yet. Bounded; the rest is dropped.
class TestPeer::Inbox final : public hv::PortHandler {
  public:
    struct Arrival {
        std::uint32_t type = 0;
        std::uint32_t size = 0;
        std::uint32_t flag = 0;
        std::array<std::uint64_t, 30> payload{};
    };

    void on_message(hv::abi::MessageType type, std::span<std::byte const> payload) override
    {
        Arrival arrival;
        arrival.type = static_cast<std::uint32_t>(type);
        arrival.size = static_cast<std::uint32_t>(payload.size());
        std::memcpy(arrival.payload.data(), payload.data(), payload.size());
        keep(arrival);
    }
    void on_event(unsigned flag) override
    {
        Arrival arrival;
        arrival.flag = flag;
        keep(arrival);
    }
    bool take(Arrival& out)
    {
        auto const arrivals = arrivals_.lock();
        if (arrivals->empty()) return false;
        out = arrivals->front();
        arrivals->pop_front();
        return true;
    }

  private:
    static constexpr std::size_t most_arrivals = 256;

    void keep(Arrival const& arrival)
    {
        auto const arrivals = arrivals_.lock();
        if (arrivals->size() >= most_arrivals) return;
        try {
            arrivals->push_back(arrival);
        } catch (std::bad_alloc const&) { // dropped as well: it runs on the sender's thread, which has to go on
        }
    }

    Guarded<std::deque<Arrival>, LockRank::Leaf> arrivals_;
};

TestPeer::~TestPeer()
{
    auto const objects = objects_.lock();
    for (auto const id : objects->connections)
        (void)comm::disconnect(root(), hv::ConnectionId{id});
    for (auto const& [id, inbox] : objects->ports)
        (void)comm::delete_port(root(), hv::PortId{id});
}

hv::Partition& TestPeer::root() const
{
    return guest_->registry().root();
}

std::uint32_t TestPeer::read(std::uint16_t offset, unsigned size)
{
    return offset == 0 && size == 4 ? signature : ~0U;
}

void TestPeer::write(std::uint16_t offset, unsigned size, std::uint32_t value)
{
    if (offset != 0 || size != 4) return;
    hv::Gpa const where{value};
    PeerRequest request;
    if (value % alignof(PeerRequest) != 0 || !guest_->memory().read(where, request)) return;
    perform(request);
    (void)guest_->memory().write(where, request);
}

void TestPeer::perform(PeerRequest& request)
{
    using Operation = PeerRequest::Operation;
    request.completed = 0;
    request.taken = 0;
    request.statuses.fill(0);

    if (((request.connection_id | request.port_id) & hv::abi::reserved_id_bits) != 0) {
        request.status = static_cast<std::uint32_t>(hv::Status::InvalidParameter);
        return;
    }

    auto const repeats = request.operation == Operation::Post || request.operation == Operation::Signal;
    auto const count = repeats ? std::min(request.count, most_repeats) : 1;
    auto status = hv::Status::Success;
    for (std::uint32_t n = 0; n < count; ++n) {
        switch (request.operation) {
        case Operation::Connect: status = connect(request); break;
        case Operation::Post: status = post(request, n); break;
        case Operation::Signal:
            status = comm::signal(root(), hv::ConnectionId{request.connection_id}, request.flag_number);
            break;
        case Operation::Disconnect: status = disconnect(request); break;
        case Operation::Listen: status = listen(request); break;
        case Operation::Take: status = take(request); break;
        case Operation::Close: status = close(request); break;
        default: status = hv::Status::InvalidParameter;
        }
        if (n < request.statuses.size()) request.statuses[n] = static_cast<std::uint16_t>(status);
        if (status == hv::Status::Success) ++request.completed;
    }
    request.status = static_cast<std::uint32_t>(status);
}

hv::Status TestPeer::connect(PeerRequest const& request)
{
    auto const objects = objects_.lock();
    if (objects->connections.size() == most_objects) return hv::Status::NoResources;
    auto const status = comm::connect(root(), hv::ConnectionId{request.connection_id}, *guest_,
                                      hv::PortId{request.port_id}, hv::abi::PortType{request.port_type});
    if (status == hv::Status::Success) objects->connections.insert(request.connection_id);
    return status;
}

hv::Status TestPeer::disconnect(PeerRequest const& request)
{
    auto const objects = objects_.lock();
    if (objects->connections.erase(request.connection_id) == 0) return hv::Status::InvalidConnectionId;
    return comm::disconnect(root(), hv::ConnectionId{request.connection_id});
}

hv::Status TestPeer::listen(PeerRequest const& request)
{
    auto const objects = objects_.lock();
    if (objects->ports.size() == most_objects) return hv::Status::NoResources;
    auto inbox = std::make_shared<Inbox>();
    auto const status = comm::create_port(root(), hv::PortId{request.port_id},
                                          {.type = hv::abi::PortType{request.port_type},
                                           .flag_count = hv::abi::event_flag_count,
                                           .connection_partition = guest_->id(),
                                           .handler = inbox});
    if (status == hv::Status::Success) objects->ports.emplace(request.port_id, std::move(inbox));
    return status;
}

hv::Status TestPeer::close(PeerRequest const& request)
{
    auto const objects = objects_.lock();
    if (objects->ports.erase(request.port_id) == 0) return hv::Status::InvalidPortId;
    return comm::delete_port(root(), hv::PortId{request.port_id});
}

hv::Status TestPeer::take(PeerRequest& request)
{
    auto const objects = objects_.lock();
    auto const port = objects->ports.find(request.port_id);
    if (port == objects->ports.end()) return hv::Status::InvalidPortId;
    Inbox::Arrival arrival;
    if (!port->second->take(arrival)) return hv::Status::Success;
    request.taken = 1;
    request.taken_type = arrival.type;
    request.taken_size = arrival.size;
    request.taken_flag = arrival.flag;
    request.taken_origin = request.port_id;
    request.taken_payload = arrival.payload;
    return hv::Status::Success;
}

hv::Status TestPeer::post(PeerRequest const& request, std::uint32_t n) const
{
    if (request.payload_size > hv::abi::max_payload) return hv::Status::InvalidParameter;
    if (request.message_type == 0 || (request.message_type & hv::abi::hypervisor_message_mask) != 0)
        return hv::Status::InvalidParameter;
    hv::abi::Message message{};
    message.header.type = hv::abi::MessageType{request.message_type};
    message.header.payload_size = static_cast<std::uint8_t>(request.payload_size);
    message.payload[0] = request.payload + n;
    return comm::post(root(), hv::ConnectionId{request.connection_id}, message);
}

} // namespace devices
