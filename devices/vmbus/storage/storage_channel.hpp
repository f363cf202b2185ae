/// A channel of a synthetic SCSI controller: the primary one, by which the guest sets the controller up, or a
/// sub-channel, which carries commands only.
#pragma once

#include "devices/base/guarded.hpp"
#include "devices/vmbus/channel/answer_queue.hpp"
#include "devices/vmbus/channel/channel_worker.hpp"
#include "devices/vmbus/storage/controller_state.hpp"
#include "devices/vmbus/storage/transaction.hpp"
#include "hv/base/state.hpp"
#include "hv/vmbus/channel.hpp"

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <tuple>
#include <utility>
#include <vector>

namespace devices::storage {

class StorageChannel final : public hv::vmbus::ChannelDevice,
                             public std::enable_shared_from_this<StorageChannel>,
                             public Transaction::Owner,
                             vmbus::Served {
  public:
    /// Packets that a channel works on at a time, also those of a channel that was closed meanwhile. More wait in the
    /// ring.
    static constexpr std::size_t max_under_way = 256;
    /// What one turn serves: as many packets as may be under way, or as many bytes as the longest command moves.
    static constexpr vmbus::TurnLimits turn_limits{.packets = max_under_way, .bytes = max_transfer};

    using SubChannelMaker = std::function<std::shared_ptr<StorageChannel>()>;

    /// Without `make_sub_channel` it is a sub-channel.
    StorageChannel(std::shared_ptr<ControllerState> state, SubChannelMaker make_sub_channel);
    ~StorageChannel() override;

    void open(std::shared_ptr<hv::vmbus::Channel> channel) override;
    void signalled() override;
    void close() override;
    /// What backends finish meanwhile is answered after `resume`. That they write nothing into the guest's memory is
    /// their own matter (block::Backend).
    void quiesce(hv::StillBusy busy) override;
    void resume() override;
    void inspect(hv::Inspector& inspector) const override;
    /// What backends have not answered is asked of others again. With the primary channel goes the version.
    void visit(hv::StateVisitor& visitor) override;
    [[nodiscard]] std::shared_ptr<ChannelDevice> sub_channel(std::uint16_t n) override;

    void finished(Transaction& transaction) noexcept override;

    /// Tells the guest to look which units there are. Of a primary channel.
    void units_changed();

    /// Takes nothing more from the guest, and waits until no backend has anything of it, or until the deadline.
    /// Returns how much backends have then; it keeps this object alive.
    std::size_t stop(std::chrono::steady_clock::time_point deadline);

  private:
    enum class Step { Closed, Begin, Version, Properties, End, Ready };

    /// What the guest has made of the channel.
    struct Condition {
        Step step = Step::Closed;
        bool sub_channels_made = false;
        bool tell_of_units = false; ///< the guest is to be told, when there is room
        std::uint64_t commands = 0;
        std::uint64_t waited = 0; ///< commands that a backend did not answer at once
        std::uint64_t errors = 0;
        std::uint64_t broken_rings = 0;

        static constexpr auto fields()
        {
            return std::tuple{hv::StateField{"step", &Condition::step},
                              hv::StateField{"sub_channels_made", &Condition::sub_channels_made, hv::Shown::Yes},
                              hv::StateField{"tell_of_units", &Condition::tell_of_units},
                              hv::StateField{"commands", &Condition::commands, hv::Shown::Yes},
                              hv::StateField{"waited", &Condition::waited, hv::Shown::Yes},
                              hv::StateField{"errors", &Condition::errors, hv::Shown::Yes},
                              hv::StateField{"broken_rings", &Condition::broken_rings, hv::Shown::Yes}};
        }
    };

    /// The same, with all that goes elsewhere.
    struct Saved {
        Condition condition{};
        Version version = Version::None; ///< of a primary channel
        std::vector<UnansweredPacket> unanswered{};
        vmbus::AnswerQueue answers{};

        static constexpr auto fields()
        {
            return std::tuple{hv::StateField{"condition", &Saved::condition},
                              hv::StateField{"version", &Saved::version},
                              hv::StateField{"unanswered", &Saved::unanswered, hv::Shown::No, max_under_way},
                              hv::StateField{"answers", &Saved::answers}};
        }
    };

    using OwnedTransaction = std::unique_ptr<Transaction>;

    /// The channel, and what its guest has under way.
    struct Work {
        Work();

        /// Adds one at the end of those that are held.
        void hold(OwnedTransaction&& transaction);
        [[nodiscard]] OwnedTransaction take_held();
        [[nodiscard]] OwnedTransaction take_free()
        {
            auto last = std::move(free.back());
            free.pop_back();
            return last;
        }
        void lend_to_backend(Transaction& transaction);
        void take_from_backend(Transaction const& transaction);

        std::shared_ptr<hv::vmbus::Channel> channel{}; ///< while open, and not broken
        Condition condition{};
        bool stopped = false;
        bool stalled = false;                     ///< packets may wait in the ring for an end of others
        std::vector<Transaction*> with_backend{}; ///< in no order
        std::deque<UnansweredPacket> repeated{};  ///< from elsewhere: they come before those in the ring
        std::size_t transactions = 0; ///< that exist: of these some are free, and others own themselves meanwhile
        OwnedTransaction held{};      ///< finished by backends while this was quiesced: a list, in order
        OwnedTransaction* held_end = &held;
        std::vector<OwnedTransaction> free{};
        OwnedTransaction parked{};                 ///< the next one to run, when there is memory for it
        std::vector<hv::vmbus::GuestSpan> spans{}; ///< room for `Transaction::prepare` to work in
        vmbus::AnswerQueue answers{};
    };
    using GuardedWork = Guarded<Work, LockRank::Channel>;
    using Held = GuardedWork::Held; ///< for those that let go of the lock while a backend works

    [[nodiscard]] Left serve(vmbus::Turn& turn) override;
    [[nodiscard]] std::weak_ptr<void> owner() override { return weak_from_this(); }

    [[nodiscard]] Left serve_ring(vmbus::Turn& turn);
    [[nodiscard]] Left take_packets(Held& work, vmbus::Turn& turn);
    /// False when the transaction has to wait for memory; then it is `parked`.
    [[nodiscard]] bool start(Held& work, OwnedTransaction&& transaction, vmbus::Turn& turn);
    void handle(Held& work, OwnedTransaction&& transaction, hv::vmbus::Packet const& packet, vmbus::Turn& turn);
    void run(Held& work, OwnedTransaction&& transaction, vmbus::Turn& turn);
    void set_up(Work& work, Transaction& transaction);
    [[nodiscard]] PacketStatus create_sub_channels(Work& work, std::uint16_t count);

    [[nodiscard]] bool make_transaction(Work& work);
    void give_back(Work& work, OwnedTransaction&& transaction);
    void keep(Work& work, OwnedTransaction&& transaction);
    void settle(Work& work, OwnedTransaction&& transaction);
    [[nodiscard]] bool write_waiting_answers(Work& work);
    void forget_channel(Work& work);
    void retire(Work& work, OwnedTransaction&& transaction);
    [[nodiscard]] Saved saved(Work const& work) const;
    void restore(Work& work, Saved saved);
    void give_up(char const* why);
    [[nodiscard]] bool primary() const { return static_cast<bool>(make_sub_channel_); }

    std::shared_ptr<ControllerState> const state_;
    SubChannelMaker const make_sub_channel_;

    vmbus::ChannelWorker worker_;
    block::IoBudget::Account memory_; ///< for transactions

    std::atomic<bool> quiesced_{false}; ///< changes while the work is locked
    GuardedWork work_;
    std::condition_variable_any idle_;
};

} // namespace devices::storage
