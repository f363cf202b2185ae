/// The guest's part of a VMBus, for unit tests: an executor that a test cranks, a guest's ends of a channel's rings,
/// a channel without a bus, and a guest that sets channels up by messages.
#pragma once

#include "hv/abi/vmbus.hpp"
#include "hv/abi/vmbus_ring.hpp"
#include "hv/testing/fabric.hpp"
#include "hv/testing/saved_state.hpp"
#include "hv/vmbus/channel.hpp"
#include "hv/vmbus/executor.hpp"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstring>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <stdexcept>
#include <utility>
#include <vector>

namespace hv::testing {

/// Runs nothing by itself. `run` may come from any thread.
class CrankedExecutor final : public vmbus::Executor {
  public:
    void run(std::function<void()> task) override
    {
        std::lock_guard const guard{lock_};
        tasks_.push_back(std::move(task));
    }
    void run_after(std::chrono::milliseconds delay, std::function<void()> task) override
    {
        std::lock_guard const guard{lock_};
        later_.emplace(now_ + delay, std::move(task));
    }

    /// Until nothing is left that is due. How many tasks there were.
    std::size_t crank()
    {
        std::size_t count = 0;
        while (auto const task = next()) {
            task();
            ++count;
        }
        return count;
    }
    /// The next task alone; false when there is none.
    bool crank_one()
    {
        auto const task = next();
        if (task) task();
        return static_cast<bool>(task);
    }
    /// How many are due.
    [[nodiscard]] std::size_t tasks()
    {
        std::lock_guard const guard{lock_};
        return tasks_.size();
    }
    /// Runs all that is due by then, each at its time, also what that adds.
    void advance(std::chrono::milliseconds by)
    {
        auto const until = now_ + by;
        do
            crank();
        while (take_due(until));
        std::lock_guard const guard{lock_};
        now_ = until;
    }
    [[nodiscard]] std::size_t waiting() const { return later_.size(); }

  private:
    [[nodiscard]] bool take_due(std::chrono::milliseconds until)
    {
        std::lock_guard const guard{lock_};
        if (later_.empty() || later_.begin()->first > until) return false;
        now_ = later_.begin()->first;
        tasks_.push_back(std::move(later_.begin()->second));
        later_.erase(later_.begin());
        return true;
    }
    [[nodiscard]] std::function<void()> next()
    {
        std::lock_guard const guard{lock_};
        if (tasks_.empty()) return nullptr;
        auto task = std::move(tasks_.front());
        tasks_.pop_front();
        return task;
    }

    std::mutex lock_;
    std::deque<std::function<void()>> tasks_;
    std::multimap<std::chrono::milliseconds, std::function<void()>> later_;
    std::chrono::milliseconds now_{0};
};

/// A packet as the guest finds it.
struct GuestPacket {
    abi::PacketDescriptor descriptor{};
    std::vector<std::byte> header;  ///< between descriptor and payload
    std::vector<std::byte> payload; ///< with its padding

    template <typename T>
    [[nodiscard]] T as(std::size_t offset = 0) const
    {
        T out{};
        if (offset + sizeof out > payload.size()) throw std::out_of_range{"the packet is too short"};
        std::memcpy(&out, payload.data() + offset, sizeof out);
        return out;
    }
};

/// The guest's end of one ring: `pages` pages of its memory from `first`, the first of them for control.
class GuestRing {
  public:
    GuestRing(std::byte* first, std::size_t pages)
        : first_{first}, size_{static_cast<std::uint32_t>((pages - 1) * page_size)}
    {}

    [[nodiscard]] std::atomic_ref<std::uint32_t> write_index() const { return word(0); }
    [[nodiscard]] std::atomic_ref<std::uint32_t> read_index() const { return word(4); }
    [[nodiscard]] std::atomic_ref<std::uint32_t> interrupt_mask() const { return word(8); }
    [[nodiscard]] std::atomic_ref<std::uint32_t> pending_send_size() const { return word(12); }
    [[nodiscard]] std::atomic_ref<std::uint32_t> feature_bits() const { return word(64); }
    [[nodiscard]] std::uint32_t size() const { return size_; }
    [[nodiscard]] std::uint32_t used() const { return (write_index() + size_ - read_index()) % size_; }
    [[nodiscard]] std::uint32_t free() const { return size_ - used(); }

    /// False when there is no room.
    bool write(abi::PacketDescriptor descriptor, std::span<std::byte const> header,
               std::span<std::byte const> payload) const
    {
        auto const padded = (payload.size() + 7) / 8 * 8;
        descriptor.offset8 = static_cast<std::uint16_t>((sizeof descriptor + header.size()) / 8);
        descriptor.length8 = static_cast<std::uint16_t>(descriptor.offset8 + padded / 8);
        std::vector<std::byte> bytes(sizeof descriptor + header.size() + padded + 8);
        std::memcpy(bytes.data(), &descriptor, sizeof descriptor);
        std::ranges::copy(header, bytes.data() + sizeof descriptor);
        std::ranges::copy(payload, bytes.data() + sizeof descriptor + header.size());
        return write_raw(bytes);
    }
    template <typename T>
    bool write(abi::PacketType type, std::uint64_t transaction, T const& payload, bool wants_completion = true) const
    {
        return write({type, 0, 0, static_cast<std::uint16_t>(wants_completion ? 1 : 0), transaction}, {},
                     std::as_bytes(std::span{&payload, 1}));
    }

    /// Whatever bytes, as if they were packets with their trailers.
    bool write_raw(std::span<std::byte const> bytes) const
    {
        if (bytes.size() >= free()) return false;
        auto at = write_index().load() % size_; // a test may have spoilt it
        for (auto const byte : bytes) {
            data()[at] = byte;
            at = (at + 1) % size_;
        }
        write_index().store(at, std::memory_order_release);
        return true;
    }

    [[nodiscard]] std::optional<GuestPacket> take() const
    {
        if (read_index() == write_index().load(std::memory_order_acquire)) return std::nullopt;
        GuestPacket packet;
        copy_out(0, &packet.descriptor, sizeof packet.descriptor);
        auto const offset = packet.descriptor.offset8 * std::size_t{8};
        auto const length = packet.descriptor.length8 * std::size_t{8};
        // A test has spoilt the read index: no packet is longer than its ring.
        if (offset < sizeof packet.descriptor || length < offset || length >= size_) {
            read_index().store(write_index());
            return std::nullopt;
        }
        packet.header.resize(offset - sizeof packet.descriptor);
        packet.payload.resize(length - offset);
        copy_out(sizeof packet.descriptor, packet.header.data(), packet.header.size());
        copy_out(offset, packet.payload.data(), packet.payload.size());
        read_index().store(static_cast<std::uint32_t>((read_index() + length + 8) % size_),
                           std::memory_order_release);
        return packet;
    }

    [[nodiscard]] std::byte* data() const { return first_ + page_size; } ///< of size()

  private:
    [[nodiscard]] std::atomic_ref<std::uint32_t> word(std::size_t offset) const
    {
        return std::atomic_ref{*reinterpret_cast<std::uint32_t*>(first_ + offset)};
    }
    void copy_out(std::size_t offset, void* to, std::size_t size) const
    {
        if (size == 0) return;
        auto const at = (read_index() + offset) % size_;
        auto const before_end = std::min(size, size_ - at);
        std::memcpy(to, data() + at, before_end);
        std::memcpy(static_cast<std::byte*>(to) + before_end, data(), size - before_end);
    }

    std::byte* first_;
    std::uint32_t size_;
};

/// The header of a GPA-direct packet with one range.
[[nodiscard]] inline std::vector<std::byte> gpa_direct_header(std::uint32_t byte_count, std::uint32_t byte_offset,
                                                              std::vector<std::uint64_t> const& page_numbers)
{
    std::vector<std::byte> out(sizeof(abi::GpaDirectHeader) + sizeof(abi::GpaRange) + page_numbers.size() * 8);
    abi::GpaDirectHeader const header{0, 1};
    abi::GpaRange const range{byte_count, byte_offset};
    std::memcpy(out.data(), &header, sizeof header);
    std::memcpy(out.data() + sizeof header, &range, sizeof range);
    std::ranges::copy(std::as_bytes(std::span{page_numbers}), out.begin() + sizeof header + sizeof range);
    return out;
}

/// An open channel without a bus, over memory of its own at GPA 0: first the two rings, then pages for the test.
class TestChannel final : public vmbus::Channel {
  public:
    static constexpr std::size_t ring_pages = 5; ///< of each ring: one of control, four of data

    explicit TestChannel(std::size_t free_pages = 64) : ram_((2 * ring_pages + free_pages + 1) * page_size)
    {
        void* at = ram_.data();
        auto space = ram_.size();
        base_ = static_cast<std::byte*>(std::align(page_size, (2 * ring_pages + free_pages) * page_size, at, space));
        memory_.add({Gpa{0}, (2 * ring_pages + free_pages) * page_size, base_});
        reopen();
    }

    /// The host's ends as they are when the guest has opened the channel anew.
    void reopen()
    {
        std::memset(base_, 0, 2 * ring_pages * page_size);
        make_ends();
    }
    /// The host's ends are others, with their state.
    void move_ends()
    {
        SavedState to_host;
        SavedState to_guest;
        to_host.save(*incoming_);
        to_guest.save(*outgoing_);
        make_ends();
        to_host.restore(*incoming_);
        to_guest.restore(*outgoing_);
    }

    /// The guest's ends.
    [[nodiscard]] GuestRing to_host() const { return {base_, ring_pages}; }
    [[nodiscard]] GuestRing to_guest() const { return {base_ + ring_pages * page_size, ring_pages}; }
    /// Pages that the test may use, by page number.
    [[nodiscard]] static std::uint64_t free_page(std::size_t n) { return 2 * ring_pages + n; }
    [[nodiscard]] std::byte* page(std::uint64_t page_number) const { return base_ + page_number * page_size; }
    void share(vmbus::GpadlId id, std::uint64_t first_page, std::size_t count)
    {
        gpadls_[id] = gpadl_of(first_page, count);
    }
    void unshare(vmbus::GpadlId id) { gpadls_.erase(id); }
    [[nodiscard]] unsigned interrupts() const { return interrupts_; }

    [[nodiscard]] vmbus::IncomingRing& incoming() override { return *incoming_; }
    [[nodiscard]] vmbus::OutgoingRing& outgoing() override { return *outgoing_; }
    [[nodiscard]] GuestMemory const& memory() const override { return memory_; }
    [[nodiscard]] std::shared_ptr<vmbus::Gpadl const> gpadl(vmbus::GpadlId id) const override
    {
        auto const found = gpadls_.find(id);
        return found == gpadls_.end() ? nullptr : found->second;
    }
    [[nodiscard]] std::array<std::byte, vmbus::user_defined_bytes> const& user_data() const override
    {
        return user_data_;
    }
    [[nodiscard]] VpIndex target_vp() const override { return VpIndex{0}; }
    void interrupt() override { ++interrupts_; }

    std::array<std::byte, vmbus::user_defined_bytes> user_data_{};

  private:
    void make_ends()
    {
        auto const pages = gpadl_of(0, 2 * ring_pages);
        incoming_ = std::make_unique<vmbus::IncomingRing>(vmbus::RingMemory{pages, 0, ring_pages});
        outgoing_ = std::make_unique<vmbus::OutgoingRing>(vmbus::RingMemory{pages, ring_pages, ring_pages});
    }
    [[nodiscard]] std::shared_ptr<vmbus::Gpadl> gpadl_of(std::uint64_t first_page, std::size_t count) const
    {
        std::vector<std::byte*> pages;
        for (std::size_t i = 0; i < count; ++i)
            pages.push_back(page(first_page + i));
        return std::make_shared<vmbus::Gpadl>(std::move(pages), 0, static_cast<std::uint32_t>(count * page_size));
    }

    std::vector<std::byte> ram_;
    std::byte* base_;
    GuestMemory memory_;
    std::map<vmbus::GpadlId, std::shared_ptr<vmbus::Gpadl>> gpadls_;
    std::unique_ptr<vmbus::IncomingRing> incoming_;
    std::unique_ptr<vmbus::OutgoingRing> outgoing_;
    std::atomic<unsigned> interrupts_{0};
};

} // namespace hv::testing
