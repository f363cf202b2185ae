#include "hv/vmbus/outbox.hpp"

#include "hv/abi/vmbus.hpp"
#include "hv/partition/communication.hpp"
#include "hv/partition/registry.hpp"
#include "hv/vmbus/root_ids.hpp"

#include <algorithm>
#include <cstring>
#include <utility>

namespace hv::vmbus {

namespace {

constexpr PortId guest_port{0x00FF'FFFE};

} // namespace

Outbox::Outbox(std::shared_ptr<Partition> guest, Tasks tasks, std::function<void()> emptied)
    : guest_{std::move(guest)}, tasks_{std::move(tasks)}, emptied_{std::move(emptied)}
{}

Outbox::~Outbox()
{
    disconnect();
}

bool Outbox::address(VpIndex vp, Sint sint)
{
    disconnect();
    queue_.clear();
    auto& root = guest_->registry().root();
    PortSpec const spec{.type = abi::PortType::Message,
                        .sint = sint,
                        .target_vp = vp,
                        .connection_partition = root.id(),
                        .handler = nullptr};
    if (communication::create_port(*guest_, guest_port, spec) != Status::Success) return false;
    connection_ = connect_root(root, *guest_, guest_port, abi::PortType::Message);
    if (!connection_) (void)communication::delete_port(*guest_, guest_port);
    return connection_.has_value();
}

void Outbox::disconnect()
{
    if (!connection_) return;
    (void)communication::disconnect(guest_->registry().root(), *connection_);
    (void)communication::delete_port(*guest_, guest_port);
    connection_.reset();
}

void Outbox::send_bytes(std::span<std::byte const> payload)
{
    if (!connection_) return;
    abi::Message message{};
    message.header.type = abi::vmbus_message;
    message.header.payload_size = static_cast<std::uint8_t>(payload.size());
    std::memcpy(message.payload.data(), payload.data(), payload.size());
    queue_.push_back(message);
    if (queue_.size() == 1) flush();
}

void Outbox::flush()
{
    while (!queue_.empty() && connection_) {
        auto message = queue_.front();
        auto const status = communication::post(guest_->registry().root(), *connection_, message);
        if (status == Status::InsufficientBuffers) return retry_later();
        queue_.pop_front(); // also when the guest has no SynIC to take it any more
        interval_ = first_interval;
    }
    if (std::exchange(waited_, false)) emptied_();
}

void Outbox::retry_later()
{
    waited_ = true;
    if (std::exchange(retrying_, true)) return;
    tasks_.run_after(interval_, [this] {
        retrying_ = false;
        flush();
    });
    interval_ = std::min(2 * interval_, last_interval);
}

} // namespace hv::vmbus
