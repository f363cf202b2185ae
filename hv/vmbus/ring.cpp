#include "hv/vmbus/ring.hpp"

#include "hv/base/guest_memory.hpp"

#include <algorithm>
#include <array>
#include <utility>

namespace hv::vmbus {

namespace {

constexpr std::uint32_t descriptor_size = sizeof(abi::PacketDescriptor);
constexpr auto trailer_size = static_cast<std::uint32_t>(abi::packet_trailer_size);

constexpr std::size_t write_index = offsetof(abi::RingControl, write_index);
constexpr std::size_t read_index = offsetof(abi::RingControl, read_index);
constexpr std::size_t interrupt_mask = offsetof(abi::RingControl, interrupt_mask);
constexpr std::size_t pending_send_size = offsetof(abi::RingControl, pending_send_size);
constexpr std::size_t feature_bits = offsetof(abi::RingControl, feature_bits);

/// Where an index may point: the start of a packet within the data.
bool plausible(std::uint32_t index, std::uint32_t size)
{
    return index < size && index % 8 == 0;
}

std::uint32_t start(RingMemory const& memory, std::size_t index)
{
    auto const value = memory.word(index).load();
    return plausible(value, memory.size()) ? value : 0;
}

/// Bytes between a reader and a writer; equal indices mean that there are none.
std::uint32_t used(std::uint32_t write, std::uint32_t read, std::uint32_t size)
{
    return write >= read ? write - read : size - (read - write);
}

std::uint32_t advanced(std::uint32_t index, std::uint32_t by, std::uint32_t size)
{
    index += by;
    return index >= size ? index - size : index;
}

} // namespace

RingMemory::RingMemory(std::shared_ptr<Gpadl const> pages, std::size_t first, std::size_t count)
    : pages_{std::move(pages)}, first_{first}, size_{static_cast<std::uint32_t>((count - 1) * page_size)}
{}

std::atomic_ref<std::uint32_t> RingMemory::word(std::size_t offset) const
{
    return std::atomic_ref{*reinterpret_cast<std::uint32_t*>(pages_->page(first_) + offset)};
}

void RingMemory::inspect(Inspector& inspector) const
{
    inspector.number("size", size_);
    inspector.number("write_index", word(write_index).load());
    inspector.number("read_index", word(read_index).load());
    inspector.flag("interrupts_masked", word(interrupt_mask).load() != 0);
    inspector.number("pending_send_size", word(pending_send_size).load());
}

void RingMemory::read(std::uint32_t offset, void* to, std::uint32_t length) const
{
    auto* out = static_cast<std::byte*>(to);
    while (length > 0) {
        auto const from = (first_ + 1) * page_size + offset;
        auto const piece = static_cast<std::uint32_t>(pages_->contiguous(from, std::min(length, size_ - offset)));
        copy_from_shared(out, pages_->at(from), piece);
        out += piece;
        length -= piece;
        offset = advanced(offset, piece, size_);
    }
}

void RingMemory::write(std::uint32_t offset, void const* from, std::uint32_t length) const
{
    auto const* in = static_cast<std::byte const*>(from);
    while (length > 0) {
        auto const piece = std::min(length, size_ - offset);
        pages_->write((first_ + 1) * page_size + offset, in, piece);
        in += piece;
        length -= piece;
        offset = advanced(offset, piece, size_);
    }
}

IncomingRing::IncomingRing(RingMemory memory) : memory_{std::move(memory)}
{
    state_.read = state_.released = start(memory_, read_index);
}

IncomingRing::Next IncomingRing::next(Packet& packet)
{
    if (state_.broken) return Next::Broken;
    if (state_.available == 0 && !look()) return state_.broken ? Next::Broken : Next::Empty;

    auto& descriptor = packet.descriptor;
    state_.broken = true; // unless all of it turns out to be right
    if (state_.available < descriptor_size + trailer_size) return Next::Broken;
    memory_.read(state_.read, &descriptor, descriptor_size);
    auto const length = std::uint32_t{descriptor.length8} * 8;
    auto const offset = std::uint32_t{descriptor.offset8} * 8;
    if (offset < descriptor_size || length < offset || length > longest_packet) return Next::Broken;
    if (length > state_.available - trailer_size) return Next::Broken;

    auto const rest = length - descriptor_size;
    if (packet_.size() < rest) packet_.resize(rest);
    memory_.read(advanced(state_.read, descriptor_size, memory_.size()), packet_.data(), rest);
    std::span<std::byte const> const body{packet_.data(), rest};
    packet.header = body.first(offset - descriptor_size);
    packet.payload = body.subspan(offset - descriptor_size);
    state_.read = advanced(state_.read, length + trailer_size, memory_.size());
    state_.available -= length + trailer_size;
    state_.broken = false;
    return Next::Taken;
}

/// Whether there is more. The guest signals what it writes to a ring that it believes to be empty: so it is shown
/// that all was taken before the last look, or what it writes in between would wait for the next signal.
bool IncomingRing::look()
{
    for (;;) {
        auto const write = memory_.word(write_index).load();
        state_.broken = !plausible(write, memory_.size());
        if (state_.broken) return false;
        state_.available = used(write, state_.read, memory_.size());
        if (state_.available != 0) return true;
        if (state_.read == state_.released) return false;
        give_back();
    }
}

bool IncomingRing::release()
{
    if (state_.read != state_.released) give_back();
    return std::exchange(state_.room_wanted, false);
}

/// As drivers/hv/ring_buffer.c, hv_pkt_iter_close, has it for the other direction: the writer is interrupted when the
/// room that it waits for was not there before and is now.
void IncomingRing::give_back()
{
    auto const size = memory_.size();
    auto const freed = used(state_.read, state_.released, size);
    state_.released = state_.read;
    memory_.word(read_index).store(state_.read);

    auto const wanted = memory_.word(pending_send_size).load();
    if (wanted == 0) return;
    auto const write = memory_.word(write_index).load();
    if (!plausible(write, size)) return;
    auto const free = size - used(write, state_.read, size);
    if (free > wanted && free - std::min(free, freed) <= wanted) state_.room_wanted = true;
}

void IncomingRing::visit(StateVisitor& visitor)
{
    hv::visit(visitor, state_);
    auto const size = memory_.size();
    if (plausible(state_.read, size) && plausible(state_.released, size) && state_.available < size) return;
    state_ = {};
    state_.broken = true;
}

void IncomingRing::mask_signals(bool masked) const
{
    memory_.word(interrupt_mask).store(masked ? 1 : 0);
}

OutgoingRing::OutgoingRing(RingMemory memory) : memory_{std::move(memory)}
{
    state_.write = state_.published = start(memory_, write_index);
    memory_.word(feature_bits).fetch_or(abi::ring_feature_pending_send_size);
}

bool OutgoingRing::write(abi::PacketDescriptor descriptor, std::span<std::byte const> header,
                         std::initializer_list<std::span<std::byte const>> payload)
{
    std::size_t length = descriptor_size + header.size();
    descriptor.offset8 = static_cast<std::uint16_t>(length / 8);
    for (auto const part : payload)
        length += part.size();
    auto const padding = (8 - length % 8) % 8;
    length += padding;
    descriptor.length8 = static_cast<std::uint16_t>(length / 8);
    if (!make_room(length + trailer_size)) return false;

    std::uint64_t const trailer = std::uint64_t{state_.write} << 32;
    constexpr std::array<std::byte, 8> zeros{};
    put(std::as_bytes(std::span{&descriptor, 1}));
    put(header);
    for (auto const part : payload)
        put(part);
    put(std::span{zeros}.first(padding));
    put(std::as_bytes(std::span{&trailer, 1}));
    return true;
}

/// A ring is never filled to the last byte: that would look empty.
bool OutgoingRing::make_room(std::size_t length)
{
    if (length >= memory_.size()) return false;
    auto const wait_for = static_cast<std::uint32_t>(length);
    if (free_bytes() <= length) {
        state_.waiting = true;
        memory_.word(pending_send_size).store(wait_for);
        if (free_bytes() <= length) return false; // else the reader made room before it could see the wish
    }
    if (state_.waiting) memory_.word(pending_send_size).store(0, std::memory_order_relaxed);
    state_.waiting = false;
    return true;
}

bool OutgoingRing::publish()
{
    if (state_.write == state_.published) return false;
    auto const before = std::exchange(state_.published, state_.write);
    memory_.word(write_index).store(state_.write);
    if (memory_.word(interrupt_mask).load() != 0) return false;
    // The reader has seen everything before this: it may have stopped looking.
    return memory_.word(read_index).load() == before;
}

void OutgoingRing::visit(StateVisitor& visitor)
{
    hv::visit(visitor, state_);
    auto const size = memory_.size();
    if (plausible(state_.write, size) && plausible(state_.published, size)) return;
    state_.write = state_.published = start(memory_, write_index);
}

bool OutgoingRing::has_room(std::size_t payload_bytes) const
{
    return free_bytes() > descriptor_size + (payload_bytes + 7) / 8 * 8 + trailer_size;
}

std::uint32_t OutgoingRing::free_bytes() const
{
    auto const read = memory_.word(read_index).load();
    if (!plausible(read, memory_.size())) return 0;
    return memory_.size() - used(state_.write, read, memory_.size());
}

void OutgoingRing::put(std::span<std::byte const> bytes)
{
    auto const length = static_cast<std::uint32_t>(bytes.size());
    memory_.write(state_.write, bytes.data(), length);
    state_.write = advanced(state_.write, length, memory_.size());
}

} // namespace hv::vmbus
