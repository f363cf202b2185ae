/// A channel of a VMBus: what is offered to the guest, the device behind it, and what both have while it is open.
#pragma once

#include "hv/abi/guid.hpp"
#include "hv/abi/types.hpp"
#include "hv/base/guest_memory.hpp"
#include "hv/base/inspect.hpp"
#include "hv/base/quiesce.hpp"
#include "hv/base/state.hpp"
#include "hv/vmbus/executor.hpp"
#include "hv/vmbus/gpadl.hpp"
#include "hv/vmbus/ring.hpp"

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>

namespace hv::vmbus {

inline constexpr std::size_t user_defined_bytes = 120;

/// A channel's number on the bus, as the guest sees it ("child relid"); 1 to 2047.
using ChannelId = Id<struct ChannelIdTag, std::uint32_t>;

/// Channel flags (Linux include/linux/hyperv.h, VMBUS_CHANNEL_…).
namespace channel_flags {
inline constexpr std::uint16_t enumerate_device_interface = 0x1;
inline constexpr std::uint16_t named_pipe_mode = 0x10;
inline constexpr std::uint16_t hv_socket = 0x2000; ///< "TLNPI provider"
} // namespace channel_flags

/// What an offer tells the guest.
struct OfferSpec {
    Guid interface {};
    Guid instance{};
    std::uint16_t flags = channel_flags::enumerate_device_interface;
    std::uint16_t mmio_megabytes = 0;
    std::array<std::byte, user_defined_bytes> user_defined{};
    std::uint16_t sub_channel = 0; ///< 0 for a primary channel
};

/// An open channel. The rings belong to whoever holds the device's lock; the rest is callable from any thread. It and
/// its memory stay valid while anybody holds a std::shared_ptr to it, also after the guest has closed the channel;
/// interrupts go nowhere by then.
class Channel {
  public:
    Channel() = default;
    Channel(Channel const&) = delete;
    Channel& operator=(Channel const&) = delete;
    virtual ~Channel() = default;

    [[nodiscard]] virtual IncomingRing& incoming() = 0;
    [[nodiscard]] virtual OutgoingRing& outgoing() = 0;
    [[nodiscard]] virtual GuestMemory const& memory() const = 0;
    /// Memory that the guest has named for this channel; nullptr when there is none of that handle (any more).
    [[nodiscard]] virtual std::shared_ptr<Gpadl const> gpadl(GpadlId id) const = 0;
    /// What the guest said when it opened the channel.
    [[nodiscard]] virtual std::array<std::byte, user_defined_bytes> const& user_data() const = 0;
    /// The VP that takes the channel's interrupts.
    [[nodiscard]] virtual VpIndex target_vp() const = 0;
    virtual void interrupt() = 0;

    /// Shows the guest what was taken and written since the last time, and interrupts it if it wants that.
    void publish()
    {
        bool const room = incoming().release();
        if (outgoing().publish() || room) interrupt();
    }
};

/// The device behind a channel. `open` and `close` come from the bus's executor, in turn.
class ChannelDevice {
  public:
    ChannelDevice() = default;
    ChannelDevice(ChannelDevice const&) = delete;
    ChannelDevice& operator=(ChannelDevice const&) = delete;
    virtual ~ChannelDevice() = default;

    /// The guest has opened the channel. There may be packets already, for which no signal comes. When this is
    /// quiesced, the channel was open elsewhere: nothing is written, and `visit` puts back what there was.
    virtual void open(std::shared_ptr<Channel> channel) = 0;
    /// The guest has written packets, or made room that a full ring waited for. On any thread, usually a VP's,
    /// several at once; also when there is nothing, and shortly after `close`. Not to wait for anything. Whoever
    /// calls it keeps the device meanwhile.
    virtual void signalled() = 0;
    /// The guest has closed the channel, or is gone. The device lets go of the channel when nothing that it has under
    /// way uses its memory any more. Not to wait for anything.
    virtual void close() = 0;

    /// No vCPU of the guest runs. From now on nothing is written to the guest's memory, whatever is asked of the
    /// device and whatever backends deliver: it waits until `resume`. What is under way keeps `busy`. From the bus's
    /// executor.
    virtual void quiesce(StillBusy busy) = 0;
    /// Goes on with all that has waited. Does nothing when the device was offered after the others were quiesced.
    /// From the bus's executor.
    virtual void resume() = 0;

    virtual void inspect(Inspector&) const {}
    /// What the guest has made of the device, while it is at rest. To restore it, one of the same configuration that
    /// was not used yet is quiesced, gets the channel, if that was open, is visited, and then resumed. What was saved
    /// is not trusted.
    virtual void visit(StateVisitor& visitor) = 0;
    /// Of the device behind a primary channel that was restored: what is behind that sub-channel, which the guest had
    /// been given. Nothing when there cannot be such a one.
    [[nodiscard]] virtual std::shared_ptr<ChannelDevice> sub_channel(std::uint16_t) { return nullptr; }
};

/// Where devices offer channels. Callable from any thread, with a device's lock held as well.
class Bus {
  public:
    Bus() = default;
    Bus(Bus const&) = delete;
    Bus& operator=(Bus const&) = delete;
    virtual ~Bus() = default;

    /// Offers a channel until it is withdrawn, across resets of the guest's bus. A sub-channel (`sub_channel` not 0)
    /// goes away by itself when the primary channel of the same instance is closed.
    virtual void offer(OfferSpec const& spec, std::shared_ptr<ChannelDevice> device) = 0;
    /// Takes back all channels of an instance: closes them first, if they are open.
    virtual void withdraw(Guid const& instance) = 0;

    /// Where devices go on with what takes longer than one turn; what `open` and `close` come from. Outlives them.
    [[nodiscard]] virtual Runner& runner() = 0;
};

} // namespace hv::vmbus
