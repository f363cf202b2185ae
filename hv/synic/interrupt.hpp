/// What a SynIC operation has decided to do to the VP's thread of control, done by its caller once no lock is held.
#pragma once

#include "hv/abi/types.hpp"
#include "hv/base/interfaces.hpp"

#include <array>
#include <cstddef>
#include <cstdint>

namespace hv {

/// At most one per SINT and one more. Empty most of the time; raised with `raise`, by the caller, outside all locks.
class PendingInterrupts {
  public:
    void add(std::uint8_t vector, bool auto_eoi) { entries_[count_++] = {vector, auto_eoi}; }
    /// A message was left behind a busy slot: the queues are to be looked at again.
    void retry_later() { retry_ = true; }

    void raise(InterruptSink& sink, VpIndex vp) const
    {
        for (std::size_t i = 0; i < count_; ++i)
            sink.assert_vector(vp, entries_[i].vector, entries_[i].auto_eoi);
        if (retry_) sink.retry_messages_later(vp);
    }

  private:
    struct Entry {
        std::uint8_t vector;
        bool auto_eoi;
    };

    std::array<Entry, sint_count + 1> entries_;
    std::size_t count_ = 0;
    bool retry_ = false;
};

} // namespace hv
