/// One of a network card's channels: the guest's frames and requests come in, completions and received frames go out.
#pragma once

#include "devices/vmbus/network/receiver.hpp"
#include "devices/vmbus/network/transmit.hpp"
#include "hv/vmbus/channel.hpp"

#include <array>
#include <atomic>
#include <cstddef>
#include <deque>
#include <memory>
#include <mutex>
#include <span>
#include <vector>

namespace devices::network {

class ChannelQueue;

/// The card, to its channels.
class Card {
  public:
    Card() = default;
    Card(Card const&) = delete;
    Card& operator=(Card const&) = delete;
    virtual ~Card() = default;

    /// What frames from the guest need. Shared by all channels.
    struct SendPath {
        std::shared_ptr<hv::vmbus::Gpadl const> buffer{}; ///< whose sections guests use; may be missing
        std::size_t message_size = 0;                     ///< of NVSP messages, bytes
        std::shared_ptr<ReceiveBuffer> receive_buffer{};
    };
    [[nodiscard]] virtual SendPath send_path() const = 0;

    [[nodiscard]] virtual bool link_up() const = 0;
    /// A channel is being opened or closed, with its lock held.
    virtual void opening(ChannelQueue& queue) = 0;
    virtual void closing(ChannelQueue& queue) = 0;
    /// It has been opened; its lock is not held any more.
    virtual void opened(ChannelQueue& queue) = 0;
    /// An NVSP message of the primary channel that is about no frame; with its lock held. Answers by `queue.owe`.
    virtual void message(ChannelQueue& queue, hv::vmbus::Channel& channel, hv::vmbus::Packet const& packet) = 0;
    /// An RNDIS control message of the primary channel, with its lock held.
    [[nodiscard]] virtual nvsp::Status control(ChannelQueue& queue, GuestPieces const& message) = 0;
    /// Received frames may go out again.
    virtual void room_again() = 0;
    /// Has the backend's thread call ChannelQueue::serve_what_was_left. False when it will not.
    [[nodiscard]] virtual bool serve_later() = 0;
    /// The primary channel has been served: time to say what has waited. With its lock held.
    virtual void served(ChannelQueue& queue) = 0;
    /// The guest does not keep to the protocol. Says so in the log, if at all.
    virtual void misbehaved(char const* how) = 0;
    virtual void inspect_card(hv::Inspector& inspector) const = 0;
};

class ChannelQueue final : public hv::vmbus::ChannelDevice {
  public:
    static constexpr std::uint32_t send_section_size = 6144;

    ChannelQueue(Card& card, net::FrameBackend& backend, std::size_t index)
        : card_{card}, index_{index}, transmitter_{backend, sent}
    {}

    [[nodiscard]] std::size_t index() const { return index_; }

    void open(std::shared_ptr<hv::vmbus::Channel> channel) override;
    void signalled() override;
    void close() override;
    void inspect(hv::Inspector& inspector) const override;

    /// On the backend's thread: sends the large frames that another thread has left to it, and what came after them.
    void serve_what_was_left();

    /// For all but the thread that serves this channel.
    void set_send_path(Card::SendPath path);
    /// For that one.
    void change_send_path(Card::SendPath path);

    /// Queues an answer or a message; for the thread that serves this channel.
    void owe(hv::abi::PacketType type, std::uint64_t transaction, std::span<std::byte const> payload);

    /// Sends a packet that refers to received sections, which it lends. On any thread.
    [[nodiscard]] TransferSink::Sent send_transfer(ReceiveBuffer& buffer, std::uint32_t rndis_channel,
                                                   std::span<Section const> sections,
                                                   std::span<hv::abi::TransferPageRange const> ranges);

    Traffic sent;

  private:
    struct Owed {
        hv::abi::PacketType type;
        std::uint64_t transaction;
        std::array<std::byte, 80> payload;
        std::size_t size;
    };

    static constexpr std::size_t turn = 64; ///< packets, until the backend's thread sees to what it receives

    enum class On { AnyThread, BackendsThread };
    enum class Step { Done, Nothing, Left };

    void serve_until_quiet(On thread);
    [[nodiscard]] bool serve(On thread);
    [[nodiscard]] bool pay();
    [[nodiscard]] Step serve_one(On thread);
    [[nodiscard]] bool leave();
    void take(hv::vmbus::Packet const& packet);
    void take_completion(hv::vmbus::Packet const& packet);
    [[nodiscard]] nvsp::Status take_rndis(hv::vmbus::Packet const& packet);
    [[nodiscard]] bool locate(hv::vmbus::Packet const& packet, nvsp::SendRndisPacket const& header);

    Card& card_;
    std::size_t const index_;
    std::atomic<unsigned> kicks_{0};   ///< calls of `signalled` that have not been served
    std::atomic<bool> blocked_{false}; ///< received frames wait for room in the ring
    std::atomic<bool> closing_{false}; ///< the channel is being closed: no more packets are taken

    std::mutex mutable serving_; // the incoming ring, and all down to channel_
    Transmitter transmitter_;
    Card::SendPath path_;
    std::vector<hv::vmbus::GuestSpan> spans_;
    std::vector<hv::vmbus::GuestSpan> gpa_spans_;
    std::deque<Owed> owed_;
    hv::vmbus::Packet packet_;
    bool packet_left_ = false; ///< it is still to be served
    bool broken_ = false;
    std::atomic<bool> left_{false}; ///< the backend's thread goes on with serving

    std::mutex out_;                              // the outgoing ring
    std::shared_ptr<hv::vmbus::Channel> channel_; // read under either lock, changed under both
    std::size_t message_size_ = 0;                // likewise
};

} // namespace devices::network
