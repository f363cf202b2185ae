/// An open VMBus channel for the device behind it, and a guest at the other end that signals as Linux does.
#pragma once

#include "hv/testing/vmbus_guest.hpp"

#include <cstring>
#include <map>
#include <new>

namespace devices::testing {

using hv::testing::GuestPacket;
using hv::testing::GuestRing;

/// Pages that stay where they are.
class DevicePages {
  public:
    explicit DevicePages(std::size_t count)
        : first_{static_cast<std::byte*>(::operator new (count* hv::page_size, std::align_val_t{hv::page_size}))},
          count_{count}
    {
        std::memset(first_, 0, count * hv::page_size);
    }
    DevicePages(DevicePages const&) = delete;
    DevicePages& operator=(DevicePages const&) = delete;
    ~DevicePages() { ::operator delete (first_, std::align_val_t{hv::page_size}); }

    [[nodiscard]] std::byte* first() const { return first_; }
    [[nodiscard]] std::byte* at(std::size_t page) const { return first_ + page * hv::page_size; }
    [[nodiscard]] std::span<std::byte> all() const { return {first_, count_ * hv::page_size}; }
    [[nodiscard]] std::shared_ptr<hv::vmbus::Gpadl const> gpadl() const
    {
        std::vector<std::byte*> pages;
        for (std::size_t i = 0; i < count_; ++i)
            pages.push_back(at(i));
        auto const size = static_cast<std::uint32_t>(count_ * hv::page_size);
        return std::make_shared<hv::vmbus::Gpadl>(std::move(pages), 0, size);
    }

  private:
    std::byte* first_;
    std::size_t count_;
};

class DeviceChannel final : public hv::vmbus::Channel {
  public:
    /// Rings of that many pages each, besides their control pages, of a guest that has this memory besides.
    explicit DeviceChannel(std::size_t data_pages = 8, hv::GuestMemory const& memory = {})
        : pages_{2 * (data_pages + 1)},
          to_host{pages_.first(), data_pages + 1},
          from_host{pages_.first() + (data_pages + 1) * hv::page_size, data_pages + 1},
          incoming_{hv::vmbus::RingMemory{pages_.gpadl(), 0, data_pages + 1}},
          outgoing_{hv::vmbus::RingMemory{pages_.gpadl(), data_pages + 1, data_pages + 1}}
    {
        memory_.replace(memory.regions());
    }

    hv::vmbus::IncomingRing& incoming() override { return incoming_; }
    hv::vmbus::OutgoingRing& outgoing() override { return outgoing_; }
    hv::GuestMemory const& memory() const override { return memory_; }
    std::shared_ptr<hv::vmbus::Gpadl const> gpadl(hv::vmbus::GpadlId id) const override
    {
        auto const found = gpadls.find(id.value);
        return found == gpadls.end() ? nullptr : found->second;
    }
    std::array<std::byte, hv::vmbus::user_defined_bytes> const& user_data() const override { return user_data_; }
    hv::VpIndex target_vp() const override { return hv::VpIndex{0}; }
    void interrupt() override
    {
        ++interrupts;
        interrupts.notify_all();
    }

    /// Whom `send` and `receive` signal; nullptr for nobody.
    void connect(hv::vmbus::ChannelDevice* device) { device_ = device; }
    [[nodiscard]] bool connected() const { return device_ != nullptr; }

    /// Writes a packet, and signals when the host expects that. False when the ring is full.
    bool send(hv::abi::PacketDescriptor descriptor, std::span<std::byte const> header,
              std::span<std::byte const> payload)
    {
        auto const before = to_host.write_index().load();
        if (!to_host.write(descriptor, header, payload)) return false;
        if (to_host.interrupt_mask() == 0 && to_host.read_index() == before) signal();
        return true;
    }
    bool send(std::span<std::byte const> payload, std::uint64_t transaction = 0, std::uint16_t flags = 0)
    {
        return send({hv::abi::PacketType::DataInband, 0, 0, flags, transaction}, {}, payload);
    }

    /// The next packet from the host. Signals when the host waits for the room.
    std::optional<GuestPacket> receive()
    {
        auto const free_before = from_host.free();
        auto packet = from_host.take();
        auto const wanted = from_host.pending_send_size().load();
        if (packet && wanted != 0 && free_before <= wanted && from_host.free() > wanted) signal();
        return packet;
    }

    /// All pages of both rings.
    [[nodiscard]] std::span<std::byte> pages() const { return pages_.all(); }

  private:
    void signal() const
    {
        if (device_) device_->signalled();
    }

    DevicePages pages_;
    hv::GuestMemory memory_;
    std::array<std::byte, hv::vmbus::user_defined_bytes> user_data_{};
    hv::vmbus::ChannelDevice* device_ = nullptr;

  public:
    GuestRing to_host;
    GuestRing from_host;
    std::atomic<unsigned> interrupts = 0;
    std::map<std::uint32_t, std::shared_ptr<hv::vmbus::Gpadl const>> gpadls; ///< that the guest has handed over

  private:
    hv::vmbus::IncomingRing incoming_;
    hv::vmbus::OutgoingRing outgoing_;
};

} // namespace devices::testing
