/// Frames for the guest: from a backend into sections of the receive buffer, and to the channels as packets.
#pragma once

#include "devices/base/guarded.hpp"
#include "devices/net/frame_backend.hpp"
#include "devices/net/frame_headers.hpp"
#include "devices/vmbus/network/receive_buffer.hpp"
#include "devices/vmbus/network/rss.hpp"
#include "devices/vmbus/network/settings.hpp"
#include "hv/abi/vmbus_ring.hpp"

#include <atomic>
#include <cstddef>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

namespace devices::network {

/// The channels, to who receives.
class TransferSink {
  public:
    TransferSink() = default;
    TransferSink(TransferSink const&) = delete;
    TransferSink& operator=(TransferSink const&) = delete;
    virtual ~TransferSink() = default;

    enum class Sent {
        Yes,
        Full,   ///< FrameBackend::room_again follows when there is room
        Closed, ///< no such channel is open
    };
    static constexpr std::size_t most_ranges = 512; ///< in one packet; Linux takes 562
    /// Has `buffer` lend the sections before the guest can see the packet, if it goes out.
    [[nodiscard]] virtual Sent send_transfer(std::size_t channel, ReceiveBuffer& buffer,
                                             std::span<Section const> sections,
                                             std::span<hv::abi::TransferPageRange const> ranges) = 0;
    /// See FrameReceiver.
    virtual void lost() = 0;
};

class Receiver final : public net::FrameReceiver {
  public:
    /// What it needs to work; without a buffer it takes no frames.
    struct Path {
        std::shared_ptr<ReceiveBuffer> buffer{};
        std::size_t max_frame = 0; ///< bytes
        bool large = false;        ///< frames may be larger, and take several sections
        std::shared_ptr<Rss const> rss{};
    };

    Receiver(TransferSink& sink, std::size_t channels, Traffic& traffic);

    /// Waits for the end of a batch. After that nothing of the former buffer is used.
    void set(Path path) { intake_.lock()->set(std::move(path)); }

    [[nodiscard]] bool receive(net::FrameSource& source) override;
    void lost() override { sink_.lost(); }

  private:
    static constexpr std::size_t batch_frames = 64; ///< in one packet at most, and between two looks at `set`

    enum class Batch { More, Empty, NoRoom };

    /// A packet for one channel that is being put together.
    struct Transfer {
        std::vector<Section> sections{};
        std::vector<hv::abi::TransferPageRange> ranges{};
        bool queued = false; ///< it is in transfers_in_use_
    };

    /// Frames on their way.
    class Intake {
      public:
        Intake(TransferSink& sink, std::size_t channels, Traffic& traffic);

        void set(Path path);
        [[nodiscard]] bool has_buffer() const { return path_.buffer != nullptr; }
        /// With a buffer only.
        [[nodiscard]] Batch receive_batch(net::FrameSource& source);

      private:
        [[nodiscard]] bool fill_hand();
        void empty_hand();
        void drop_from_hand(std::size_t count);
        [[nodiscard]] std::size_t place(std::size_t size, net::Offload offload);
        [[nodiscard]] Transfer& transfer_for(std::size_t channel);
        [[nodiscard]] bool flush();
        void drop_transfers();

        TransferSink& sink_;
        Traffic& traffic_;
        Path path_;
        std::size_t sections_for_frame_ = 1;
        std::vector<Section> hand_; ///< empty sections, for the next frame
        std::vector<iovec> pieces_; ///< where their room lies
        std::vector<Transfer> transfers_;
        std::vector<std::size_t> transfers_in_use_;
    };

    TransferSink& sink_;
    Guarded<Intake, LockRank::Receiver> intake_;
};

} // namespace devices::network
