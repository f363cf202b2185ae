/// One of a network card's channels: the guest's frames and requests come in, completions and received frames go out.
#pragma once

#include "devices/base/guarded.hpp"
#include "devices/vmbus/channel/answer_queue.hpp"
#include "devices/vmbus/channel/channel_worker.hpp"
#include "devices/vmbus/network/receiver.hpp"
#include "devices/vmbus/network/transmit.hpp"
#include "hv/base/state.hpp"
#include "hv/vmbus/channel.hpp"

#include <atomic>
#include <cstddef>
#include <functional>
#include <memory>
#include <span>
#include <tuple>
#include <utility>
#include <vector>

namespace devices::network {

class ChannelQueue;
class ServedChannel;

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
        hv::vmbus::GpadlId buffer_gpadl{};
        std::size_t message_size = 0; ///< of NVSP messages, bytes
        std::shared_ptr<ReceiveBuffer> receive_buffer{};
        hv::vmbus::GpadlId receive_gpadl{};
    };
    [[nodiscard]] virtual SendPath send_path() const = 0;

    [[nodiscard]] virtual bool link_up() const = 0;
    // A ServedChannel is reached by its lock alone, so that whoever has one holds the lock.

    virtual void opening(ServedChannel& channel) = 0;
    virtual void closing(ServedChannel& channel) = 0;
    /// It has been opened, here or, `again`, elsewhere before; its lock is not held any more.
    virtual void opened(ChannelQueue& queue, bool again) = 0;
    /// An NVSP message of the primary channel that is about no frame. Answers by `primary.send`.
    virtual void message(ServedChannel& primary, hv::vmbus::Channel& channel, hv::vmbus::Packet const& packet) = 0;
    /// An RNDIS control message of the primary channel.
    [[nodiscard]] virtual nvsp::Status control(ServedChannel& primary, GuestPieces const& message) = 0;
    /// Received frames may go out again.
    virtual void room_again() = 0;
    /// What keeps the channels.
    [[nodiscard]] virtual std::weak_ptr<void> owner() = 0;
    /// The primary channel has been served: time to say what has waited.
    virtual void served(ServedChannel& primary) = 0;
    /// The guest does not keep to the protocol. Says so in the log, if at all.
    virtual void misbehaved(char const* how) = 0;
    virtual void inspect_card(ServedChannel const& primary, hv::Inspector& inspector) const = 0;
    /// `channel` is null while the primary channel is closed.
    virtual void visit_card(ServedChannel& primary, hv::vmbus::Channel* channel, hv::StateVisitor& visitor) = 0;
    [[nodiscard]] virtual std::shared_ptr<hv::vmbus::ChannelDevice> sub_channel(std::size_t n) = 0;
};

/// A channel, to whoever serves it: the incoming ring, and what comes of what is in it.
class ServedChannel {
  public:
    ServedChannel(ChannelQueue& queue, net::FrameBackend& backend);

    [[nodiscard]] std::size_t index() const;
    /// Sends an answer or a message, as soon as there is room.
    void send(hv::abi::PacketType type, std::uint64_t transaction, std::span<std::byte const> payload);
    void change_send_path(Card::SendPath path);

    // For the channel's queue.
    void open(std::shared_ptr<hv::vmbus::Channel> channel);
    void close();
    [[nodiscard]] bool is_open() const { return channel_ != nullptr; }
    [[nodiscard]] vmbus::Served::Left serve(vmbus::Turn& turn);
    void inspect(hv::Inspector& inspector) const;
    void visit(hv::StateVisitor& visitor);

  private:
    enum class Step { Done, Nothing, TurnOver };

    struct State {
        bool packet_left = false; ///< `packet_` is still to be served
        bool broken = false;

        static constexpr auto fields()
        {
            return std::tuple{hv::StateField{"packet_left", &State::packet_left},
                              hv::StateField{"broken", &State::broken, hv::Shown::Yes}};
        }
    };

    [[nodiscard]] bool write_waiting_answers();
    [[nodiscard]] Step serve_some(vmbus::Turn& turn);
    [[nodiscard]] Step serve_one(vmbus::Turn& turn);
    void take(hv::vmbus::Packet const& packet);
    void take_completion(hv::vmbus::Packet const& packet);
    [[nodiscard]] nvsp::Status take_rndis(hv::vmbus::Packet const& packet);
    void visit_packet(hv::StateVisitor& visitor);
    [[nodiscard]] bool locate(hv::vmbus::Packet const& packet, nvsp::SendRndisPacket const& header);

    ChannelQueue& queue_;
    std::shared_ptr<hv::vmbus::Channel> channel_;
    Transmitter transmitter_;
    Card::SendPath path_;
    std::vector<hv::vmbus::GuestSpan> spans_;
    std::vector<hv::vmbus::GuestSpan> gpa_spans_;
    vmbus::AnswerQueue answers_;
    hv::vmbus::Packet packet_;
    std::vector<std::byte> packet_bytes_; ///< of `packet_`, when that came from elsewhere
    State state_;
};

class ChannelQueue final : public hv::vmbus::ChannelDevice, vmbus::Served {
  public:
    static constexpr std::uint32_t send_section_size = 6144;
    /// A turn; then the backend's thread sees to what it receives.
    static constexpr vmbus::TurnLimits turn_limits{.packets = 64};

    /// `shared` is the bus's runner. All outlive this.
    ChannelQueue(Card& card, net::FrameBackend& backend, hv::vmbus::Runner& shared, std::size_t index)
        : card_{card},
          index_{index},
          runner_{backend, shared},
          worker_{*this, runner_, shared, turn_limits},
          served_{index == 0 ? LockRank::PrimaryChannel : LockRank::Channel, *this, backend}
    {}

    [[nodiscard]] std::size_t index() const { return index_; }

    void open(std::shared_ptr<hv::vmbus::Channel> channel) override;
    void signalled() override;
    void close() override;
    /// The card sees to it that nobody else sends (Nic::quiesce).
    void quiesce(hv::StillBusy busy) override { worker_.quiesce(std::move(busy)); }
    void resume() override { worker_.resume(); }
    void inspect(hv::Inspector& inspector) const override;
    /// With the primary channel goes the card.
    void visit(hv::StateVisitor& visitor) override;
    [[nodiscard]] std::shared_ptr<hv::vmbus::ChannelDevice> sub_channel(std::uint16_t n) override
    {
        return index_ == 0 ? card_.sub_channel(n) : nullptr;
    }

    /// For all but the thread that serves this channel.
    void set_send_path(Card::SendPath path);

    /// Sends a packet that refers to received sections, which it lends. On any thread.
    [[nodiscard]] TransferSink::Sent send_transfer(ReceiveBuffer& buffer, std::uint32_t rndis_channel,
                                                   std::span<Section const> sections,
                                                   std::span<hv::abi::TransferPageRange const> ranges);

    Traffic sent;

  private:
    /// The backend's thread if that gains anything: large frames are sent there. Else the bus's runner.
    class TurnRunner final : public hv::vmbus::Runner {
      public:
        TurnRunner(net::FrameBackend& backend, hv::vmbus::Runner& other) : backend_{backend}, other_{other} {}
        [[nodiscard]] bool takes_large_frames() const { return backend_.runner() != nullptr; }
        void run(std::function<void()> task) override
        {
            auto* const runner = backend_.runner();
            (runner ? *runner : other_).run(std::move(task));
        }

      private:
        net::FrameBackend& backend_;
        hv::vmbus::Runner& other_;
    };

    friend ServedChannel;

    /// Has a lock of its own, because any thread may send.
    struct Outgoing {
        std::shared_ptr<hv::vmbus::Channel> channel{};
        std::size_t message_size = 0;
    };

    [[nodiscard]] Left serve(vmbus::Turn& turn) override { return served_.lock()->serve(turn); }
    [[nodiscard]] std::weak_ptr<void> owner() override { return card_.owner(); }

    Card& card_;
    std::size_t const index_;
    TurnRunner runner_;
    vmbus::ChannelWorker worker_;
    std::atomic<bool> blocked_{false}; ///< received frames wait for room in the ring

    GuardedBy<ServedChannel, hv::MutexOfRank> served_;
    Guarded<Outgoing, LockRank::Ring> out_;
};

} // namespace devices::network
