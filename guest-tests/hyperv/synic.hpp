/// The guest's side of the SynIC on one processor: pages, slots, flags, sources.
#pragma once

#include "runtime/clock.hpp"
#include "runtime/memory.hpp"
#include "runtime/traps.hpp"

namespace guest {

/// A message slot (TLFS online, HV_MESSAGE). The header's layout is the online page's, as every guest has it.
struct Message {
    u32 type;
    u8 payload_size;
    u8 flags;
    u16 reserved;
    u64 origin;
    u64 payload[30];
};
static_assert(sizeof(Message) == 256);

inline constexpr u8 message_pending = 1;
inline constexpr u32 message_none = 0;
inline constexpr u32 message_timer_expired = 0x8000'0010;

/// The payload of message_timer_expired (HV_TIMER_MESSAGE_PAYLOAD).
struct TimerPayload {
    u32 index;
    u32 reserved;
    u64 expiration;
    u64 delivery;
};

/// Enables this processor's SynIC with both pages for its lifetime. The pages are this processor's own.
class Synic {
  public:
    Synic();
    ~Synic();
    Synic(Synic const&) = delete;
    Synic& operator=(Synic const&) = delete;
};

/// What the constructor does, for a processor that keeps its SynIC.
void open_synic();

/// Lets a source interrupt this processor, or (sint_masked in flags) only receive.
void set_sint(unsigned sint, u8 vector, u64 flags = 0);
void mask_sint(unsigned sint);

/// A slot of a processor's SIM page, and a word of its event flags.
Message volatile& slot(unsigned sint, unsigned processor = 0);
bool event_flag(unsigned sint, unsigned flag, unsigned processor = 0);
bool take_event_flag(unsigned sint, unsigned flag, unsigned processor = 0);
void clear_event_flags(unsigned sint, unsigned processor = 0);

/// True once a message stands in the slot.
[[nodiscard]] bool wait_for_message(unsigned sint, unsigned processor = 0, u32 milliseconds = patience_ms);

/// Empties this processor's slot, and says so when more messages wait.
void release_slot(unsigned sint);

/// After each test: timers off, sources masked, SynIC and overlays off, on every processor.
void put_back_synthetic_state();

} // namespace guest
