#include "devices/net/frame_ring.hpp"

#include "hv/base/guest_memory.hpp"

#include <algorithm>
#include <cstring>
#include <stdexcept>

namespace devices::net {

void FrameWriter::copy_in(std::uint32_t at, std::span<std::byte const> bytes)
{
    auto const start = at & (ring_.size() - 1);
    auto const first = std::min(bytes.size(), ring_.size() - start);
    if (first != 0) std::memcpy(&ring_[start], bytes.data(), first);
    if (first < bytes.size()) std::memcpy(ring_.data(), bytes.data() + first, bytes.size() - first);
}

bool FrameWriter::put(Offload const& offload, std::span<iovec const> pieces, std::size_t size)
{
    auto const used = put_ - state_->taken.load(std::memory_order_acquire);
    auto const charge = ring_charge(size);
    if (size > largest_frame || used > ring_.size() || ring_.size() - used < charge) return false;
    RingRecord const record{static_cast<std::uint32_t>(size), offload};
    copy_in(put_, std::as_bytes(std::span{&record, 1}));
    auto at = put_ + static_cast<std::uint32_t>(sizeof record);
    for (auto const& piece : pieces) {
        copy_in(at, {static_cast<std::byte const*>(piece.iov_base), piece.iov_len});
        at += static_cast<std::uint32_t>(piece.iov_len);
    }
    put_ += static_cast<std::uint32_t>(charge);
    return true;
}

/// Either the other end sees these frames before it sleeps, or this one sees that it has taken all others: each
/// writes its number first, and reads the other's then.
bool FrameWriter::publish()
{
    if (put_ == published_) return false;
    auto const before = published_;
    published_ = put_;
    state_->put.store(put_, std::memory_order_seq_cst);
    return state_->taken.load(std::memory_order_seq_cst) == before;
}

bool FrameReader::look()
{
    auto const put = state_->put.load(std::memory_order_acquire);
    if (put - taken_ > ring_.size() || put % sizeof(RingRecord) != 0)
        throw std::runtime_error{"its frames overrun their ring"};
    seen_ = put;
    return seen_ != taken_;
}

bool FrameReader::next(RingRecord& record) const
{
    if (taken_ == seen_) return false;
    hv::copy_from_shared(&record, &ring_[taken_ & (ring_.size() - 1)], sizeof record); // once: it may change
    if (record.size > largest_frame || ring_charge(record.size) > seen_ - taken_)
        throw std::runtime_error{"one of its frames is longer than any can be"};
    return true;
}

void FrameReader::copy_out(std::uint32_t at, std::span<std::byte> bytes) const
{
    auto const start = at & (ring_.size() - 1);
    auto const first = std::min(bytes.size(), ring_.size() - start);
    std::memcpy(bytes.data(), &ring_[start], first);
    if (first < bytes.size()) std::memcpy(bytes.data() + first, ring_.data(), bytes.size() - first);
}

std::size_t FrameReader::read(Offload& offload, std::span<iovec const> into)
{
    RingRecord record;
    do { // one of no length is none
        if (!next(record)) return 0;
        if (record.size == 0) taken_ += static_cast<std::uint32_t>(ring_charge(0));
    } while (record.size == 0);
    offload = record.offload;
    auto at = taken_ + static_cast<std::uint32_t>(sizeof record);
    std::size_t done = 0;
    for (auto const& piece : into) {
        auto const size = std::min<std::size_t>(piece.iov_len, record.size - done);
        if (size == 0) continue;
        copy_out(at, {static_cast<std::byte*>(piece.iov_base), size});
        at += static_cast<std::uint32_t>(size);
        done += size;
    }
    taken_ += static_cast<std::uint32_t>(ring_charge(record.size));
    return done;
}

std::size_t FrameReader::skip_all()
{
    std::size_t count = 0;
    for (RingRecord record; next(record); ++count)
        taken_ += static_cast<std::uint32_t>(ring_charge(record.size));
    return count;
}

bool FrameReader::release()
{
    state_->taken.store(taken_, std::memory_order_seq_cst);
    return state_->put.load(std::memory_order_seq_cst) != taken_;
}

} // namespace devices::net
