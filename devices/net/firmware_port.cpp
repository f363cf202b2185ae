#include "devices/net/firmware_port.hpp"

#include <algorithm>
#include <cstring>

namespace devices::net {

FirmwarePort::FirmwarePort(MacAddress const& mac, std::shared_ptr<FrameBackend> backend)
    : mac_{mac}, state_{State{.backend = std::move(backend)}}
{}

void FirmwarePort::listen(Filter filter)
{
    auto const state = state_.lock();
    if (!state->backend) return;
    bool const wanted = filter.any();
    bool const before = state->filter.any();
    if (wanted && state->slots.empty()) state->slots.resize(most_waiting + 1);
    state->filter = filter;
    if (wanted && !before) state->backend->listen({});
    if (wanted) return;
    if (before) state->backend->ignore();
    state->slots = {};
    state->count = 0;
}

bool FirmwarePort::send(std::span<std::byte const> frame)
{
    if (frame.size() < shortest_frame || frame.size() > longest_frame) return false;
    iovec const whole{const_cast<std::byte*>(frame.data()), frame.size()};
    auto const state = state_.lock();
    if (!state->backend || !state->backend->send({}, {&whole, 1})) return false;
    ++state->sent;
    return true;
}

std::size_t FirmwarePort::take(std::span<std::byte> into)
{
    auto const state = state_.lock();
    if (state->count == 0 || into.size() < longest_frame) return 0;
    auto const& slot = state->slots[state->first];
    std::memcpy(into.data(), slot.bytes.data(), slot.size);
    state->first = (state->first + 1) % most_waiting;
    --state->count;
    return slot.size;
}

void FirmwarePort::taken()
{
    std::shared_ptr<FrameBackend> kept; // so that it does not end with the lock held
    auto const state = state_.lock();
    kept = std::move(state->backend);
    state->filter = {};
    state->slots = {};
    state->count = 0;
}

bool FirmwarePort::deliver(FrameSource& source)
{
    for (;;) {
        auto const next = read_next(source);
        if (next != Next::Frame) return next == Next::None;
    }
}

bool FirmwarePort::wants(Filter filter, Slot const& slot) const
{
    constexpr std::array<std::uint8_t, 6> broadcast{0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF};
    MacAddress to;
    std::memcpy(to.bytes.data(), slot.bytes.data(), to.bytes.size());
    if (filter.all) return true;
    if (to.bytes == broadcast) return filter.broadcast;
    return to.multicast() ? filter.multicast : filter.unicast && to == mac_;
}

/// The lock is let go of between any two: the firmware's processor wants it too.
FirmwarePort::Next FirmwarePort::read_next(FrameSource& source)
{
    auto const state = state_.lock();
    if (!state->backend) return Next::Taken;
    if (state->slots.empty()) return Next::None; // the backend drops what is left
    bool const full = state->count == most_waiting;
    auto& slot = state->slots[full ? most_waiting : (state->first + state->count) % most_waiting];
    Offload offload;
    iovec const room{slot.bytes.data(), slot.bytes.size()};
    slot.size = source.read(offload, {&room, 1});
    if (slot.size == 0) return Next::None;
    if (slot.size < shortest_frame || slot.size > longest_frame || !wants(state->filter, slot)) return Next::Frame;
    if (full) {
        ++state->dropped;
    } else {
        ++state->count;
        ++state->received;
    }
    return Next::Frame;
}

void FirmwarePort::inspect(hv::Inspector& inspector) const
{
    auto const state = state_.lock();
    inspector.flag("taken", state->backend == nullptr);
    inspector.flag("listening", state->filter.any());
    inspector.number("frames_sent", state->sent);
    inspector.number("frames_received", state->received);
    inspector.number("frames_dropped", state->dropped);
    inspector.number("frames_waiting", state->count);
}

} // namespace devices::net
