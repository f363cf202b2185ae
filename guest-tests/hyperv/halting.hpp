/// Waiting that leaves the physical processor to others.
#pragma once

#include "runtime/clock.hpp"

namespace guest {

/// Interrupts this processor every so often from now on, by synthetic timer 0 in direct mode. Unlike a message, which
/// waits in a full slot for a processor that has gone back to sleep, the next one always comes: the emulated AMD-V of
/// the lab forgets the interrupt shadow of STI when it leaves the guest there, so that an interrupt may be handled
/// just before the HLT that was to wait for it.
void start_ticking(u32 milliseconds = 1000);

/// Halts until the next interrupt, which may be a tick; interrupts are off afterwards.
inline void halt_once()
{
    disable_interrupts();
    wait_for_interrupt();
    disable_interrupts();
}

/// Halts until the condition holds after an interrupt, for which start_ticking() sees; false when the budget is spent
/// first. Interrupts are off before and after, and on only while the processor is halted.
template <typename Condition>
[[nodiscard]] bool halt_until(Condition&& condition, u32 milliseconds)
{
    Budget const budget{u64{milliseconds} * 1000};
    disable_interrupts();
    while (!condition()) {
        if (budget.spent()) return false;
        halt_once();
    }
    return true;
}

} // namespace guest
