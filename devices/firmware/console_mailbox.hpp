/// By what Porthole's EFI driver shows the firmware's screen on the guest's display, and hears its keys and pointer.
#pragma once

#include "devices/base/guarded.hpp"
#include "devices/display/scanner.hpp"
#include "devices/firmware/console_protocol.hpp"
#include "devices/pc/mmio_bus.hpp"
#include "devices/vmbus/keyboard/keyboard.hpp"
#include "devices/vmbus/mouse/protocol.hpp"
#include "hv/base/state.hpp"

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <tuple>
#include <vector>

namespace devices::firmware {

/// The registers of console_protocol.hpp.
class ConsoleMailbox final : public DwordMmio {
  public:
    using Stroke = vmbus::Keyboard::Stroke;
    static constexpr std::size_t most_strokes = 512; ///< that wait: a text of some hundred characters
    static constexpr std::size_t most_reports = 64;  ///< of the pointer, likewise

    /// `place` says where the video memory lies in the guest's space; from any thread.
    ConsoleMailbox(std::shared_ptr<display::Scanner> scanner, std::function<std::uint64_t()> place)
        : scanner_{std::move(scanner)}, place_{std::move(place)}
    {}

    /// From any thread. False, and the stroke is lost, when no driver in the firmware listens, or there is no room.
    bool strike(vmbus::ScanCode code, Stroke stroke);

    /// From any thread. False when no driver in the firmware listens. The wheel means nothing to it. Of reports that
    /// wait, one that says no more than that the pointer has moved replaces the one before, and so does what there is
    /// no room for: the last one is always right.
    bool point(vmbus::mouse::Report const& report);

    void visit(hv::StateVisitor& visitor);

  private:
    struct State {
        std::uint32_t mode = 0; ///< that was set here last
        bool listens = false;
        std::vector<std::uint32_t> strokes{}; ///< the next one first
        bool points = false;                  ///< whether it listens to the pointer
        std::vector<std::uint64_t> reports{}; ///< likewise: place << 32 | what is read of `report`
        std::uint32_t place = 0;              ///< of the report that was taken last

        static constexpr auto fields()
        {
            return std::tuple{hv::StateField{"mode", &State::mode},
                              hv::StateField{"listens", &State::listens},
                              hv::StateField{"strokes", &State::strokes, hv::Shown::No, ConsoleMailbox::most_strokes},
                              hv::StateField{"points", &State::points},
                              hv::StateField{"reports", &State::reports, hv::Shown::No, ConsoleMailbox::most_reports},
                              hv::StateField{"place", &State::place}};
        }
    };

    [[nodiscard]] std::uint32_t read_dword(std::uint64_t offset, unsigned size) override;
    void write_dword(std::uint64_t offset, unsigned size, std::uint32_t value) override;
    [[nodiscard]] std::uint32_t read_register(std::uint64_t offset);
    [[nodiscard]] std::uint32_t next_stroke();
    [[nodiscard]] std::uint32_t next_report();

    std::shared_ptr<display::Scanner> const scanner_;
    std::function<std::uint64_t()> const place_;
    Guarded<State, LockRank::Console> state_;
};

} // namespace devices::firmware
