/// What everything behind a machine's ports, channels and interrupts has in common.
#pragma once

#include "hv/base/quiesce.hpp"

namespace devices {

/// Created → started → quiesced → started → …, and ended from any of these. How it is started is its own matter, and
/// so is what it is asked for while it is quiesced: it waits until `resume`.
class Component {
  public:
    Component() = default;
    Component(Component const&) = delete;
    Component& operator=(Component const&) = delete;
    virtual ~Component() = default;

    /// Comes to rest: begins nothing that reaches the guest's memory or changes what the guest sees, and keeps `busy`
    /// until what is under way does neither. Does not wait for that. Called when no vCPU is in the guest.
    virtual void quiesce(hv::StillBusy busy) = 0;
    /// Goes on where it was, and lets go of `busy` if it still has it. Nothing is lost or done twice. Does nothing
    /// when it was not asked to come to rest.
    virtual void resume() = 0;
};

} // namespace devices
