/// Who answers a vCPU's exits in place of devices, and says when it runs: another guest, which is its parent.
#pragma once

#include "vmm/hypervisor/exit.hpp"

namespace vmm {

/// Called on the vCPU's thread, but for `suspends`.
class ExitOwner {
  public:
    ExitOwner() = default;
    ExitOwner(ExitOwner const&) = delete;
    ExitOwner& operator=(ExitOwner const&) = delete;
    virtual ~ExitOwner() = default;

    /// The vCPU must not enter its guest now. From any thread; it changes by requests to the VP alone.
    [[nodiscard]] virtual bool suspends() const = 0;

    /// The vCPU is about to enter its guest. False when it is to look first whether it is suspended now, or a timer
    /// is due.
    [[nodiscard]] virtual bool enters() = 0;

    virtual void answer(exits::PortAccess const& io) = 0;
    virtual void answer(exits::MmioAccess const& mmio) = 0;
    /// Of MSRs that are not synthetic.
    virtual void answer(exits::MsrRead const& msr) = 0;
    virtual void answer(exits::MsrWrite const& msr) = 0;
    virtual void answer(exits::InterruptEnded) = 0;
    virtual void answer(exits::Halted) = 0;
    virtual void answer(exits::TripleFault) = 0;
    virtual void answer(exits::Failed) = 0;
};

} // namespace vmm
