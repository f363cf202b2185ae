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
    state_ = {};
    auto& root = guest_->registry().root();
    PortSpec const spec{.type = abi::PortType::Message,
                        .sint = sint,
                        .target_vp = vp,
                        .connection_partition = root.id(),
                        .handler = nullptr};
    if (communication::create_port(*guest_, guest_port, spec) != Status::Success) return false;
    connection_ = connect_root(root, *guest_, guest_port, abi::PortType::Message);
    if (!connection_) {
        (void)communication::delete_port(*guest_, guest_port);
        return false;
    }
    state_ = {true, vp.value, sint.value, {}};
    return true;
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
    state_.waiting.push_back(PostedMessage::of(payload));
    if (state_.waiting.size() == 1) flush();
}

void Outbox::flush()
{
    if (held_) return;
    while (!state_.waiting.empty() && connection_) {
        auto const bytes = state_.waiting.front().bytes();
        abi::Message message{};
        message.header.type = abi::vmbus_message;
        message.header.payload_size = static_cast<std::uint8_t>(bytes.size());
        std::memcpy(message.payload.data(), bytes.data(), bytes.size());
        auto const status = communication::post(guest_->registry().root(), *connection_, message);
        if (status == Status::InsufficientBuffers) return retry_later();
        state_.waiting.pop_front(); // also when the guest has no SynIC to take it any more
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

void Outbox::release()
{
    held_ = false;
    flush();
}

/// Its port is made anew, and what has been posted there before is the partition's to bring along.
void Outbox::visit(StateVisitor& visitor)
{
    auto all = state_;
    hv::visit(visitor, all);
    if (!visitor.restores()) return;
    disconnect();
    state_ = {};
    if (!all.addressed || all.sint >= sint_count || !address(VpIndex{all.vp}, Sint{all.sint})) return;
    state_.waiting = std::move(all.waiting);
    waited_ = !state_.waiting.empty();
}

} // namespace hv::vmbus
