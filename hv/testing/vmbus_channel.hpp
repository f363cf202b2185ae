/// An open VMBus channel without a bus, and the guest's ends of its rings: for tests of the devices behind channels.
#pragma once

#include "hv/vmbus/channel.hpp"
#include "hv/vmbus/executor.hpp"

#include <algorithm>
#include <cstring>
#include <map>
#include <mutex>
#include <new>
#include <optional>
#include <utility>
#include <vector>

namespace hv::testing {

/// A packet as the guest finds it in its ring.
struct GuestPacket {
    abi::PacketDescriptor descriptor;
    std::vector<std::byte> header;  ///< between descriptor and payload
    std::vector<std::byte> payload; ///< with the padding at its end

    template <typename T>
    [[nodiscard]] T as(std::size_t offset = 0) const
    {
        T out{};
        if (offset < payload.size())
            std::memcpy(&out, payload.data() + offset, std::min(sizeof out, payload.size() - offset));
        return out;
    }
};

/// Pages that stay where they are.
class TestPages {
  public:
    explicit TestPages(std::size_t count)
        : memory_{static_cast<std::byte*>(::operator new (count* page_size, std::align_val_t{page_size}))},
          count_{count}
    {
        std::memset(memory_, 0, count * page_size);
    }
    TestPages(TestPages const&) = delete;
    TestPages& operator=(TestPages const&) = delete;
    ~TestPages() { ::operator delete (memory_, std::align_val_t{page_size}); }

    [[nodiscard]] std::byte* at(std::size_t page) const { return memory_ + page * page_size; }
    [[nodiscard]] std::shared_ptr<vmbus::Gpadl const> gpadl() const
    {
        std::vector<std::byte*> pages;
        for (std::size_t i = 0; i < count_; ++i)
            pages.push_back(at(i));
        return std::make_shared<vmbus::Gpadl>(std::move(pages), 0, static_cast<std::uint32_t>(count_ * page_size));
    }

  private:
    std::byte* memory_;
    std::size_t count_;
};

/// The guest's side of one ring. It writes what a well-behaved guest would; for another one, `control` and `data` are
/// there to spoil.
class GuestRing {
  public:
    GuestRing(std::byte* first_page, std::size_t data_pages)
        : first_page_{first_page}, size_{static_cast<std::uint32_t>(data_pages * page_size)}
    {}

    [[nodiscard]] abi::RingControl& control() const { return *reinterpret_cast<abi::RingControl*>(first_page_); }
    [[nodiscard]] std::span<std::byte> data() const { return {first_page_ + page_size, size_}; }

    [[nodiscard]] std::uint32_t used() const
    {
        auto const write = word(control().write_index).load();
        auto const read = word(control().read_index).load();
        return write >= read ? write - read : size_ - (read - write);
    }

    /// False when there is no room. `signal` tells whether the host wants to hear of it.
    bool write(abi::PacketDescriptor descriptor, std::span<std::byte const> header,
               std::span<std::byte const> payload, bool& signal)
    {
        auto const length = (sizeof descriptor + header.size() + payload.size() + 7) / 8 * 8;
        if (length + abi::packet_trailer_size >= size_ - used()) return false;
        descriptor.offset8 = static_cast<std::uint16_t>((sizeof descriptor + header.size()) / 8);
        descriptor.length8 = static_cast<std::uint16_t>(length / 8);
        std::vector<std::byte> bytes(length + abi::packet_trailer_size);
        std::memcpy(bytes.data(), &descriptor, sizeof descriptor);
        std::ranges::copy(header, bytes.begin() + sizeof descriptor);
        std::ranges::copy(payload, bytes.begin() + static_cast<std::ptrdiff_t>(sizeof descriptor + header.size()));

        auto const before = word(control().write_index).load();
        for (std::size_t i = 0; i < bytes.size(); ++i)
            data()[(before + i) % size_] = bytes[i];
        word(control().write_index).store(static_cast<std::uint32_t>((before + bytes.size()) % size_));
        signal = word(control().interrupt_mask).load() == 0 && word(control().read_index).load() == before;
        return true;
    }

    /// `signal` tells whether the host waits for the room.
    std::optional<GuestPacket> read(bool& signal)
    {
        signal = false;
        if (used() == 0) return std::nullopt;
        auto const at = word(control().read_index).load();
        GuestPacket packet{};
        copy_out(at, &packet.descriptor, sizeof packet.descriptor);
        auto const length = std::size_t{packet.descriptor.length8} * 8;
        auto const offset = std::size_t{packet.descriptor.offset8} * 8;
        packet.header.resize(offset - sizeof packet.descriptor);
        packet.payload.resize(length - offset);
        copy_out(at + sizeof packet.descriptor, packet.header.data(), packet.header.size());
        copy_out(at + offset, packet.payload.data(), packet.payload.size());

        auto const free_before = size_ - used();
        word(control().read_index)
            .store(static_cast<std::uint32_t>((at + length + abi::packet_trailer_size) % size_));
        auto const wanted = word(control().pending_send_size).load();
        signal = wanted != 0 && free_before <= wanted && size_ - used() > wanted;
        return packet;
    }

  private:
    static std::atomic_ref<std::uint32_t> word(std::uint32_t& field) { return std::atomic_ref{field}; }

    void copy_out(std::size_t at, void* to, std::size_t length) const
    {
        for (std::size_t i = 0; i < length; ++i)
            static_cast<std::byte*>(to)[i] = data()[(at + i) % size_];
    }

    std::byte* first_page_;
    std::uint32_t size_;
};

/// What a device holds, and the test at the other end of it. `connect` it to the device first.
class TestChannel final : public vmbus::Channel {
  public:
    /// Rings of that many pages each, besides their control pages. Without `memory` the guest has no RAM.
    explicit TestChannel(std::size_t data_pages = 8, GuestMemory const& memory = no_memory())
        : pages_{2 * (data_pages + 1)},
          memory_{memory},
          to_host{pages_.at(0), data_pages},
          from_host{pages_.at(data_pages + 1), data_pages},
          incoming_{vmbus::RingMemory{pages_.gpadl(), 0, data_pages + 1}},
          outgoing_{vmbus::RingMemory{pages_.gpadl(), data_pages + 1, data_pages + 1}}
    {}

    vmbus::IncomingRing& incoming() override { return incoming_; }
    vmbus::OutgoingRing& outgoing() override { return outgoing_; }
    GuestMemory const& memory() const override { return memory_; }
    std::shared_ptr<vmbus::Gpadl const> gpadl(vmbus::GpadlId id) const override
    {
        auto const found = gpadls.find(id.value);
        return found == gpadls.end() ? nullptr : found->second;
    }
    std::array<std::byte, vmbus::user_defined_bytes> const& user_data() const override { return opened_with; }
    VpIndex target_vp() const override { return VpIndex{0}; }
    void interrupt() override { ++interrupts; }

    /// Whom `send` and `receive` signal.
    void connect(vmbus::ChannelDevice* device) { device_ = device; }

    /// Writes a packet, and signals the device as a guest would. False when the ring is full.
    bool send(abi::PacketDescriptor descriptor, std::span<std::byte const> header, std::span<std::byte const> payload)
    {
        bool signal = false;
        if (!to_host.write(descriptor, header, payload, signal)) return false;
        if (signal && device_) device_->signalled();
        return true;
    }
    bool send(std::span<std::byte const> payload, std::uint64_t transaction = 0, std::uint16_t flags = 0)
    {
        return send({abi::PacketType::DataInband, 0, 0, flags, transaction}, {}, payload);
    }

    /// The next packet from the host.
    std::optional<GuestPacket> receive()
    {
        bool signal = false;
        auto packet = from_host.read(signal);
        if (signal && device_) device_->signalled();
        return packet;
    }

  private:
    static GuestMemory const& no_memory()
    {
        static GuestMemory const none;
        return none;
    }

    TestPages pages_;
    GuestMemory const& memory_;

  public:
    GuestRing to_host;
    GuestRing from_host;
    std::map<std::uint32_t, std::shared_ptr<vmbus::Gpadl const>> gpadls;
    std::array<std::byte, vmbus::user_defined_bytes> opened_with{};
    std::atomic<unsigned> interrupts = 0;

  private:
    vmbus::IncomingRing incoming_;
    vmbus::OutgoingRing outgoing_;
    vmbus::ChannelDevice* device_ = nullptr;
};

/// Runs tasks when the test says so; its time moves only by `advance`.
class HandExecutor final : public vmbus::Executor {
  public:
    void run(std::function<void()> task) override { run_after({}, std::move(task)); }
    void run_after(std::chrono::milliseconds delay, std::function<void()> task) override
    {
        std::scoped_lock const lock{mutex_};
        tasks_.emplace(now_ + delay, std::move(task));
    }

    /// Runs all that is due by then, also what that adds.
    void advance(std::chrono::milliseconds by)
    {
        std::unique_lock lock{mutex_};
        auto const until = now_ + by;
        while (!tasks_.empty() && tasks_.begin()->first <= until) {
            auto node = tasks_.extract(tasks_.begin());
            now_ = std::max(now_, node.key());
            lock.unlock();
            node.mapped()();
            lock.lock();
        }
        now_ = until;
    }
    void run_due() { advance({}); }

    [[nodiscard]] std::size_t waiting()
    {
        std::scoped_lock const lock{mutex_};
        return tasks_.size();
    }

  private:
    std::mutex mutex_;
    std::chrono::milliseconds now_{};
    std::multimap<std::chrono::milliseconds, std::function<void()>> tasks_; // equal times in the order given
};

} // namespace hv::testing
