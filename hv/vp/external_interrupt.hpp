/// The external interrupt that a parent asserts on its child's boot processor, as a PIC would (TLFS 2.0a §13.3.2,
/// §13.5).
#pragma once

#include "hv/abi/status.hpp"
#include "hv/base/state.hpp"

#include <atomic>
#include <cstdint>
#include <optional>

namespace hv {

/// One at a time: asserted, then taken (acknowledged), then cleared by the parent. From any thread.
class ExternalInterrupt {
  public:
    /// Asserts it, or gives one that was not taken yet another vector. Acknowledged when the last one is not cleared.
    [[nodiscard]] Status request(std::uint8_t vector) { return change(asserted | vector); }
    /// Takes back what was not taken yet. Acknowledged as above.
    [[nodiscard]] Status withdraw() { return change(idle); }
    /// NotAcknowledged when none was taken since the last time.
    [[nodiscard]] Status clear();

    [[nodiscard]] bool waiting() const { return (state_.load(std::memory_order_acquire) & asserted) != 0; }

    /// The VP acknowledges it: the vector, when one is asserted.
    [[nodiscard]] std::optional<std::uint8_t> take();
    /// The VP could not take it after all. Nothing but clear() may have come in between.
    void give_back(std::uint8_t vector) { state_.store(asserted | vector); }

    void visit(StateVisitor& visitor)
    {
        std::uint64_t state = state_.load();
        visitor.number("external_interrupt", state);
        state_.store(static_cast<std::uint32_t>(state) & (acknowledged | asserted | 0xFF));
    }

  private:
    static constexpr std::uint32_t idle = 0;
    static constexpr std::uint32_t asserted = 1U << 8; ///< the vector is in the low bits
    static constexpr std::uint32_t acknowledged = 1U << 9;

    [[nodiscard]] Status change(std::uint32_t to);

    std::atomic<std::uint32_t> state_{idle};
};

} // namespace hv
