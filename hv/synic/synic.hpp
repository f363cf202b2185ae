/// The synthetic interrupt controller of one VP (TLFS 2.0a chapter 14): its registers, its pages in guest memory
/// and its sixteen message queues. One lock guards all of it: posts come from any VP of any partition.
#pragma once

#include "hv/abi/registers.hpp"
#include "hv/abi/status.hpp"
#include "hv/base/guest_memory.hpp"
#include "hv/base/inspect.hpp"
#include "hv/base/interfaces.hpp"
#include "hv/base/overlay_page.hpp"
#include "hv/base/state.hpp"
#include "hv/base/sync.hpp"
#include "hv/base/trace.hpp"
#include "hv/synic/interrupt.hpp"
#include "hv/synic/message_queue.hpp"
#include "hv/time/reference_time.hpp"

#include <array>
#include <atomic>
#include <bitset>
#include <cstdint>
#include <functional>
#include <memory>
#include <tuple>
#include <vector>

namespace hv {

class Synic {
  public:
    Synic(VpIndex vp, GuestMemory const& memory, InterruptSink& sink, ReferenceTime const& time,
          Tracer* tracer = nullptr);

    [[nodiscard]] VpIndex vp() const { return vp_; }

    // Registers (§14.6). A setter answers false for a value that must raise #GP.

    [[nodiscard]] std::uint64_t scontrol() const { return scontrol_.load(std::memory_order_relaxed); }
    [[nodiscard]] std::uint64_t simp() const { return simp_.word; }
    [[nodiscard]] std::uint64_t siefp() const { return siefp_.word; }
    [[nodiscard]] std::uint64_t sirbp() const { return sirbp_.word; }
    [[nodiscard]] std::uint64_t sint(Sint sint) const { return sints_[sint.value].word; }
    void set_scontrol(std::uint64_t value);
    void set_simp(std::uint64_t value);
    void set_siefp(std::uint64_t value);
    /// The page of event rings, for partitions that have children. Where the next port goes in each stays as it is
    /// when the page goes or moves (Linux: "the tail pointer should persist").
    void set_sirbp(std::uint64_t value);
    [[nodiscard]] bool set_sint(Sint sint, std::uint64_t value);
    /// EOM (§14.6.6), also after the retry interval: delivers what the guest has made room for.
    void scan_queues();

    /// Adds the numbers of the pages that its overlays are to cover. From any thread.
    void list_overlays(std::vector<std::uint64_t>& pages);

    /// Registers, and what waits in queues. From any thread.
    void inspect(Inspector& inspector);

    // What HV_ANY_VP routing chooses by (§14.2.4, §14.3.1). Hints that need no lock: post and signal decide again.

    /// SynIC and page are enabled.
    [[nodiscard]] bool accepts_messages() const { return accepts_messages_.load(std::memory_order_relaxed); }
    [[nodiscard]] bool accepts_events() const { return accepts_events_.load(std::memory_order_relaxed); }
    [[nodiscard]] bool accepts_rings() const { return accepts_rings_.load(std::memory_order_relaxed); }
    /// The SINT is not masked, or polled, which has the effect of unmasking it.
    [[nodiscard]] bool hears(Sint sint) const
    {
        return (heard_sints_.load(std::memory_order_relaxed) >> sint.value & 1) != 0;
    }

    // Delivery. Each leaves the interrupts to raise in `pending`; the caller raises them without a lock held.

    /// Puts a guest message into its slot, or into the first free one of the port's `buffers` when the slot is busy.
    /// `buffers` may be nullptr as long as nothing has to be queued: then the answer is NoResources and the caller
    /// comes again with buffers. Otherwise Success, InsufficientBuffers or InvalidSynicState.
    [[nodiscard]] Status post(Sint sint, abi::Message const& message, PortBuffers* buffers,
                              PendingInterrupts& pending);
    /// Sends the message of who has one buffer of its own, a timer or a child's VP, replacing its former one if that
    /// is still queued.
    void post_own(Sint sint, abi::Message const& message, MessageBuffer& buffer, PendingInterrupts& pending);
    /// Sets an event flag; an interrupt only when it was clear (§14.3.1). Success or InvalidSynicState.
    [[nodiscard]] Status signal(Sint sint, unsigned flag, PendingInterrupts& pending);
    /// Puts a doorbell port into the SINT's event ring; when that is full, into the first of its `buffers`, where it
    /// waits once, however often it is rung. `buffers` may be nullptr as for `post`. Success, NoResources or
    /// InvalidSynicState.
    [[nodiscard]] Status ring(Sint sint, PortId port, PortBuffers* buffers, PendingInterrupts& pending);
    /// HvCallNotifyPortRingEmpty: the guest has taken all out of a ring that was full. InvalidSynicState.
    [[nodiscard]] Status ring_emptied(Sint sint);
    /// Takes a message out of the queue if it is still in it: its port is being deleted.
    void withdraw(MessageBuffer& buffer);
    /// The same with all of them: the VP is going, and nobody sends to it any more.
    void withdraw_all();

    /// Asserts a SINT with neither message nor event; nothing happens while it is masked or the SynIC is off.
    void assert_sint(Sint sint);

    /// From now on nothing is written to the two pages for messages and events: messages wait in their ports'
    /// buffers, as behind a busy slot, and event flags here. Throws std::bad_alloc.
    void hold();
    /// Delivers what has waited.
    void release();

    /// Finds the buffer of a message that waited elsewhere, in its port or its timer; nullptr: it is lost.
    using BufferFor = std::function<MessageBuffer*(abi::Message const& message)>;
    /// Registers, pages, messages in queues, and what is held. The guest's memory has been restored before. Throws
    /// std::bad_alloc.
    void visit(StateVisitor& visitor, BufferFor const& buffer_for);

    /// Raises what a delivery left pending on this VP.
    void raise(PendingInterrupts const& pending) { pending.raise(sink_, vp_); }

  private:
    using Lock = Mutex<LockRank::Synic>;

    // All of these are called with the lock held.
    [[nodiscard]] bool enabled() const { return abi::bit(scontrol(), 0); }
    [[nodiscard]] bool deliverable() const { return enabled() && message_page_.host(); }
    [[nodiscard]] bool may_deliver() const { return deliverable() && !held_flags_; }
    [[nodiscard]] bool may_ring() const { return enabled() && ring_page_.host(); }
    [[nodiscard]] std::byte* event_ring_of(Sint sint) const;
    /// Moves ports that wait into the ring, and tells the guest of them.
    void fill_ring(Sint sint, PendingInterrupts& pending);
    void tell_of_ring(Sint sint, PendingInterrupts& pending);
    /// nullptr when the host has no memory.
    [[nodiscard]] MessageBuffer* ring_notice(Sint sint);
    /// A port that waits for room in a ring has no message.
    [[nodiscard]] static bool is_for_ring(MessageBuffer const& buffer);
    /// The message goes into its slot, or waits in the one buffer of whoever sends it.
    void give_own(Sint sint, abi::Message const& message, MessageBuffer& buffer, PendingInterrupts& pending);
    /// Sets a flag in the event page.
    void set_flag(Sint sint, unsigned flag, PendingInterrupts& pending);
    [[nodiscard]] std::byte* slot(Sint sint) const;
    void update_hints();
    [[nodiscard]] bool deliver_at_once(Sint sint, abi::Message const& message, PendingInterrupts& pending);
    void enqueue(Sint sint, abi::Message const& message, MessageBuffer& buffer, PendingInterrupts& pending);
    void unlink(MessageBuffer& buffer);
    /// Moves the first queued message into the slot if that is free, else marks the slot's message.
    void deliver_first(Sint sint, PendingInterrupts& pending);
    void deliver(Sint sint, abi::Message const& message, bool more, PendingInterrupts& pending);
    /// The same for every queue; asks for a retry when something stays behind.
    void deliver_all(PendingInterrupts& pending);
    void interrupt(Sint sint, PendingInterrupts& pending) const;

    struct Registers {
        std::uint64_t scontrol = 0;
        std::uint64_t simp = 0;
        std::uint64_t siefp = 0;
        std::uint64_t sirbp = 0;
        std::array<std::uint64_t, sint_count> sints{};
        std::array<std::uint8_t, sint_count> ring_heads{};

        static constexpr auto fields()
        {
            return std::tuple{
                StateField{"scontrol", &Registers::scontrol}, StateField{"simp", &Registers::simp},
                StateField{"siefp", &Registers::siefp},       StateField{"sirbp", &Registers::sirbp},
                StateField{"sints", &Registers::sints},       StateField{"ring_heads", &Registers::ring_heads}};
        }
    };
    struct WaitingMessage {
        std::uint32_t sint = 0;
        std::array<std::uint8_t, sizeof(abi::Message)> message{};

        static constexpr auto fields()
        {
            return std::tuple{StateField{"sint", &WaitingMessage::sint},
                              StateField{"message", &WaitingMessage::message}};
        }
    };
    /// What waits for room, or for `release`.
    struct Waiting {
        static constexpr std::size_t most = 1 << 16;
        std::vector<WaitingMessage> messages; ///< those of a SINT in their order
        bool held = false;
        std::array<std::array<std::uint8_t, abi::event_flag_count / 8>, sint_count> held_flags{};

        static constexpr auto fields()
        {
            return std::tuple{StateField{"messages", &Waiting::messages, Shown::No, most},
                              StateField{"held", &Waiting::held}, StateField{"held_flags", &Waiting::held_flags}};
        }
    };

    [[nodiscard]] Registers registers() const;
    void visit_pages(StateVisitor& visitor);
    void set_registers(Registers const& registers);
    [[nodiscard]] Waiting waiting() const;
    void restore(Waiting const& waiting, BufferFor const& buffer_for);

    using EventFlags = std::array<std::bitset<abi::event_flag_count>, sint_count>;

    VpIndex const vp_;
    GuestMemory const& memory_;
    InterruptSink& sink_;
    ReferenceTime const& time_;
    Tracer* const tracer_;

    Lock lock_;
    std::atomic<std::uint64_t> scontrol_{0};
    abi::PageRegister simp_;
    abi::PageRegister siefp_;
    abi::PageRegister sirbp_;
    OverlayPage message_page_;
    OverlayPage event_page_;
    OverlayPage ring_page_;
    std::array<abi::SintRegister, sint_count> sints_{};
    std::array<MessageQueue, sint_count> queues_{};
    std::array<MessageQueue, sint_count> ring_queues_{}; ///< ports for which a ring had no room
    std::array<std::uint8_t, sint_count> ring_heads_{};  ///< where the next port goes
    /// To SINT0, of SINTs that do not interrupt themselves; made when first needed.
    std::array<std::unique_ptr<MessageBuffer>, sint_count> ring_notices_;
    std::unique_ptr<EventFlags> held_flags_;     ///< while deliveries are held: those that are to be set
    std::atomic<std::uint32_t> queued_sints_{0}; // a bit for each queue that is not empty
    std::atomic<std::uint32_t> heard_sints_{0};  // a bit for each that is not closed
    std::atomic<bool> accepts_messages_{false};
    std::atomic<bool> accepts_events_{false};
    std::atomic<bool> accepts_rings_{false};
};

} // namespace hv
