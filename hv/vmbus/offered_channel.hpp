/// One channel as the bus keeps it: its offer, the port that takes the guest's signals, and what the guest has made
/// of it.
#pragma once

#include "hv/abi/vmbus.hpp"
#include "hv/partition/partition.hpp"
#include "hv/vmbus/channel.hpp"
#include "hv/vmbus/open_channel.hpp"

#include <memory>
#include <optional>

namespace hv::vmbus {

class OfferedChannel {
  public:
    OfferedChannel(std::shared_ptr<Partition> guest, ChannelId id, OfferSpec const& spec,
                   std::shared_ptr<ChannelDevice> device);
    ~OfferedChannel();
    OfferedChannel(OfferedChannel const&) = delete;
    OfferedChannel& operator=(OfferedChannel const&) = delete;

    /// Whether the guest can signal: its pool had room, and it has not taken the connection's ID for itself.
    [[nodiscard]] bool connected() const { return port_.has_value(); }

    [[nodiscard]] ChannelId id() const { return id_; }
    [[nodiscard]] OfferSpec const& spec() const { return spec_; }
    [[nodiscard]] ChannelDevice& device() const { return *device_; }
    [[nodiscard]] std::shared_ptr<ChannelDevice> const& shared_device() const { return device_; }
    [[nodiscard]] bool primary() const { return spec_.sub_channel == 0; }
    [[nodiscard]] abi::OfferChannel message() const;

    /// The guest knows of it: between the offer and the guest's word that it has forgotten it.
    bool offered = false;

    [[nodiscard]] bool is_open() const { return channel_ != nullptr; }
    void open(std::shared_ptr<OpenChannel> channel);
    /// Nothing when it is not open.
    void close();
    void set_target_vp(VpIndex vp);
    void inspect(Inspector& inspector) const;
    [[nodiscard]] ChannelState state() const;
    /// The rings, if it is open, and the device.
    void visit_parts(StateVisitor& visitor);

  private:
    void disconnect();
    [[nodiscard]] ConnectionId connection() const;

    std::shared_ptr<Partition> const guest_;
    ChannelId const id_;
    OfferSpec const spec_;
    std::shared_ptr<ChannelDevice> const device_;
    std::optional<PortId> port_;
    std::shared_ptr<OpenChannel> channel_;
};

} // namespace hv::vmbus
