/// A synthetic network card: what Linux's hv_netvsc and Windows' netvsc drive. One primary channel for control and
/// frames, and sub-channels for frames when the guest asks for them.
#pragma once

#include "devices/base/component.hpp"
#include "devices/base/guarded.hpp"
#include "devices/vmbus/network/card_state.hpp"
#include "devices/vmbus/network/channel_queue.hpp"
#include "devices/vmbus/network/oids.hpp"
#include "devices/vmbus/network/receiver.hpp"

#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace devices::network {

/// Of all network cards (Linux include/linux/hyperv.h, HV_NIC_GUID).
inline constexpr auto interface_id = hv::vmbus::guid("f8615163-df3e-46c5-913f-f2d2f965ed0e");

/// The instance of a guest's n-th card, always the same.
[[nodiscard]] hv::vmbus::Guid instance_id(unsigned n);

class Nic final : Card, TransferSink, public Component, public std::enable_shared_from_this<Nic> {
  public:
    static constexpr unsigned most_channels = 64; ///< that Linux would use

    struct Config {
        net::MacAddress mac{};
        hv::vmbus::Guid instance{};
        unsigned max_channels = 1;                                      ///< 1 to most_channels
        std::function<void(std::string_view)> misbehaved = [](auto) {}; ///< a line about the guest, for the log
    };

    Nic(Config config, std::unique_ptr<net::FrameBackend> backend, hv::vmbus::Bus& bus);
    ~Nic() override;

    /// Offers the primary channel, and starts the backend. Once, on an object that a std::shared_ptr holds.
    void start();
    /// When it returns nothing of this object runs on the backend's thread, and nothing will.
    void stop();

    /// Frames for the guest wait where the backend gets them from. The channels are quiesced by the bus.
    void quiesce(hv::StillBusy busy) override;
    void resume() override;

    /// Plugs the cable in, or pulls it. Callable from any thread. The link is up when there is a network behind it,
    /// too.
    void set_link(bool up);
    [[nodiscard]] bool link_up() const override
    {
        return link_up_.load(std::memory_order_relaxed) && !lost_.load(std::memory_order_relaxed);
    }
    [[nodiscard]] net::MacAddress const& mac() const { return facts_.mac; }
    [[nodiscard]] std::string backend() const { return backend_->description(); }

  private:
    static constexpr std::size_t most_answers = ReceiveBuffer::control_reserve;

    /// What the guest has set by control messages, and answers to them that wait for room.
    struct Control {
        Settings settings{};
        std::deque<ControlAnswer> answers{};
    };
    /// What all channels use.
    struct Shared {
        SendPath path{};
        bool rndis_up = false;
        bool quiesced = false;
    };
    /// What the backend is to do, and does.
    struct Listening {
        bool wanted = false;
        bool listens = false;
        net::ReceiveOffloads offloads{};
    };

    SendPath send_path() const override;
    void opening(ServedChannel& channel) override;
    void opened(ChannelQueue& queue, bool again) override;
    void closing(ServedChannel& channel) override;
    void message(ServedChannel& primary, hv::vmbus::Channel& channel, hv::vmbus::Packet const& packet) override;
    nvsp::Status control(ServedChannel& primary, GuestPieces const& message) override;
    void room_again() override { backend_->room_again(); }
    [[nodiscard]] std::weak_ptr<void> owner() override { return weak_from_this(); }
    void served(ServedChannel& primary) override;
    void misbehaved(char const* how) override;
    void inspect_card(ServedChannel const& primary, hv::Inspector& inspector) const override;
    void visit_card(ServedChannel& primary, hv::vmbus::Channel* channel, hv::StateVisitor& visitor) override;
    [[nodiscard]] std::shared_ptr<hv::vmbus::ChannelDevice> sub_channel(std::size_t n) override;
    Sent send_transfer(std::size_t channel, ReceiveBuffer& buffer, std::span<Section const> sections,
                       std::span<hv::abi::TransferPageRange const> ranges) override;
    void lost() override;

    template <typename Message>
    void answer(ServedChannel& primary, hv::vmbus::Packet const& packet, Message const& message);
    void initialize(ServedChannel& primary, hv::vmbus::Packet const& packet);
    void set_receive_buffer(ServedChannel& primary, hv::vmbus::Channel& channel, hv::vmbus::Packet const& packet);
    void set_send_buffer(ServedChannel& primary, hv::vmbus::Channel& channel, hv::vmbus::Packet const& packet);
    void take_configuration(ServedChannel& primary, hv::vmbus::Packet const& packet);
    void allocate_channels(ServedChannel& primary, hv::vmbus::Packet const& packet);
    void refuse(ServedChannel& primary, hv::vmbus::Packet const& packet);
    [[nodiscard]] static std::size_t message_size(nvsp::Version version);
    /// False, with `path` as before, when the memory is not suitable.
    [[nodiscard]] static bool use_send_buffer(hv::vmbus::Channel const& channel, hv::vmbus::GpadlId id,
                                              SendPath& path);

    [[nodiscard]] CardState card_state(ServedChannel const& primary) const;
    void restore(ServedChannel& primary, hv::vmbus::Channel const& channel, CardState state);
    void restore_buffers(ServedChannel& primary, hv::vmbus::Channel const& channel, CardState const& state,
                         SendPath& path);

    void change_path(ServedChannel& primary, SendPath path);
    void update_receiver(Settings const& settings);
    void link_changed();
    void listen(bool wanted, net::ReceiveOffloads offloads);
    void apply_listening(Listening& listening);
    void indicate_link();
    void send_answers(ServedChannel& primary);
    [[nodiscard]] Sent send_control(ReceiveBuffer& buffer, Section section, std::uint32_t size);
    [[nodiscard]] Readings readings() const;
    void offer(unsigned channel);

    Config const config_;
    Facts const facts_;
    std::unique_ptr<net::FrameBackend> const backend_;
    hv::vmbus::Bus& bus_;
    std::vector<std::unique_ptr<ChannelQueue>> queues_;
    Traffic received_;
    Receiver receiver_;
    std::atomic<bool> link_up_{true};
    std::atomic<bool> lost_{false};          ///< the network behind it
    std::atomic<bool> link_indicated_{true}; ///< what the guest knows
    std::atomic<unsigned> sub_channels_{0};  ///< that the guest has been given
    std::atomic<unsigned> open_sub_channels_{0};
    std::atomic<bool> table_due_{false}; ///< the guest is to be told how to spread what it sends

    GuardedWith<Control, ServedChannel> control_;       ///< the primary channel's
    Guarded<Shared, LockRank::Card> shared_;            // after a channel's lock, before a ring's
    Guarded<Listening, LockRank::Listening> listening_; // and calls of the backend that follow from it
};

} // namespace devices::network
