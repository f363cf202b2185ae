/// Sending, and being told when it has arrived.
#pragma once

#include "hyperv/peer.hpp"
#include "hyperv/ports.hpp"
#include "hyperv/synic.hpp"
#include "runtime/clock.hpp"
#include "runtime/traps.hpp"

namespace guest {

inline constexpr u8 measured_sint = 4;
inline constexpr u8 measured_vector = 0x91;
inline constexpr u8 measured_connection = 0x41;

/// When a handler was done; zero until then.
inline u64 volatile handled_at;

/// Handlers of measured_vector: they empty the slot of their processor, or clear the flag that find_flag() has found.
void message_handler();
void event_handler();

/// Handler of anything that has nothing to be cleared.
void plain_handler();

/// From the send until the handler is done with it; the EOI comes after that. Zero when it was not sent or did not
/// arrive.
template <typename Send>
u64 until_handled(Send const& send)
{
    handled_at = 0;
    auto const start = rdtsc();
    if (send() != hv::Status::Success) return 0;
    if (!wait_until([] { return handled_at != 0; })) return 0;
    return handled_at - start;
}

/// QEMU's test device takes the next message only some time after the last one was taken from the slot.
template <typename Send>
u64 until_handled_with_retries(Send const& send)
{
    u64 cycles = 0;
    (void)wait_until([&] { return (cycles = until_handled(send)) != 0; });
    return cycles;
}

/// A connection of the SynIC test device to measured_sint of a processor, for as long as this lives.
class TestConnection {
  public:
    enum class Kind : u8 { message, event };
    TestConnection(Kind kind, u8 vp);
    ~TestConnection();
    TestConnection(TestConnection const&) = delete;
    TestConnection& operator=(TestConnection const&) = delete;

  private:
    Kind kind_;
    u8 vp_;
};

/// Signals once and looks which flag that sets on the processor; the devices differ.
[[nodiscard]] bool find_flag(unsigned processor);

/// Measures both, to that processor, whose source is enabled.
void report_deliveries(char const* message_name, char const* event_name, u8 vp);

} // namespace guest
