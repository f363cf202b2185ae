/// The host's side of a network card: what sends a guest's frames into the world, and brings those for the guest.
#pragma once

#include "devices/base/component.hpp"
#include "devices/net/offload.hpp"
#include "hv/base/inspect.hpp"
#include "hv/vmbus/executor.hpp"

#include <cstddef>
#include <span>
#include <string>
#include <sys/uio.h>

namespace devices::net {

/// Frames for the guest that wait in a backend. Each is copied once, to where the receiver wants it.
class FrameSource {
  public:
    FrameSource() = default;
    FrameSource(FrameSource const&) = delete;
    FrameSource& operator=(FrameSource const&) = delete;
    virtual ~FrameSource() = default;

    /// Moves the next frame to these pieces, one after the other, and returns its length; 0 when there is none now.
    /// A frame that has no room there is cut to it, so that it fills the pieces.
    [[nodiscard]] virtual std::size_t read(Offload& offload, std::span<iovec const> into) = 0;
};

/// The guest's side.
class FrameReceiver {
  public:
    FrameReceiver() = default;
    FrameReceiver(FrameReceiver const&) = delete;
    FrameReceiver& operator=(FrameReceiver const&) = delete;
    virtual ~FrameReceiver() = default;

    /// Takes frames until none is left. False when it has no room for more: it is not called again before
    /// FrameBackend::room_again then, and what comes meanwhile waits or is lost. On the backend's thread.
    [[nodiscard]] virtual bool receive(FrameSource& source) = 0;

    /// The backend is of no use any more; its thread goes on with tasks alone. On that thread.
    virtual void lost() {}
};

/// Quiesced, it calls the receiver no more once it has let go of `busy`, and runs no tasks. Frames for the guest wait
/// where they come from. Its end stops it as `stop` does.
class FrameBackend : public Component {
  public:
    /// "tap vm0", "user".
    [[nodiscard]] virtual std::string description() const = 0;
    [[nodiscard]] virtual SendOffloads send_offloads() const = 0;

    /// Once, before all below. Nothing is received before `listen`.
    virtual void start(FrameReceiver& receiver) = 0;
    /// When it returns, the receiver is in no call and gets none any more. Callable more than once, from any thread
    /// but the backend's.
    virtual void stop() = 0;

    /// Sends a frame, or drops it: false. Callable from any thread, by several at once; waits for nothing.
    virtual bool send(Offload const& offload, std::span<iovec const> frame) = 0;

    /// The same for a channel of the card, which counts from 0: a backend of several queues has one for each.
    virtual bool send_on(std::size_t channel, Offload const& offload, std::span<iovec const> frame)
    {
        static_cast<void>(channel);
        return send(offload, frame);
    }
    /// So many channels are open, 1 at first. Callable from any thread; waits for nothing.
    virtual void use_channels(std::size_t count) { static_cast<void>(count); }

    /// Frames that come from now on are for the receiver; those that have waited for `listen` are lost.
    /// Callable again, for other offloads.
    virtual void listen(ReceiveOffloads offloads) = 0;
    /// The receiver wants no frames. It may still be in a call that has begun.
    virtual void ignore() = 0;
    /// The receiver has room again. Does nothing when it was never without.
    virtual void room_again() = 0;

    /// Runs tasks on the backend's thread, between two looks at what it receives; nullptr where that would gain
    /// nothing. Valid as long as this. Callable from any thread.
    [[nodiscard]] virtual hv::vmbus::Runner* runner() { return nullptr; }

    virtual void inspect(hv::Inspector&) const {}
};

} // namespace devices::net
