/// By what Porthole's EFI driver shows the firmware's screen on the guest's display, and hears its keys.
#pragma once

#include "devices/base/guarded.hpp"
#include "devices/display/scanner.hpp"
#include "devices/firmware/console_protocol.hpp"
#include "devices/pc/mmio_bus.hpp"
#include "devices/vmbus/keyboard/keyboard.hpp"
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

    /// `place` says where the video memory lies in the guest's space; from any thread.
    ConsoleMailbox(std::shared_ptr<display::Scanner> scanner, std::function<std::uint64_t()> place)
        : scanner_{std::move(scanner)}, place_{std::move(place)}
    {}

    /// From any thread. False, and the stroke is lost, when no driver in the firmware listens, or there is no room.
    bool strike(vmbus::ScanCode code, Stroke stroke);

    void visit(hv::StateVisitor& visitor);

  private:
    struct State {
        std::uint32_t mode = 0; ///< that was set here last
        bool listens = false;
        std::vector<std::uint32_t> strokes{}; ///< the next one first

        static constexpr auto fields()
        {
            return std::tuple{
                hv::StateField{"mode", &State::mode}, hv::StateField{"listens", &State::listens},
                hv::StateField{"strokes", &State::strokes, hv::Shown::No, ConsoleMailbox::most_strokes}};
        }
    };

    [[nodiscard]] std::uint32_t read_dword(std::uint64_t offset, unsigned size) override;
    void write_dword(std::uint64_t offset, unsigned size, std::uint32_t value) override;
    [[nodiscard]] std::uint32_t read_register(std::uint64_t offset);
    [[nodiscard]] std::uint32_t next_stroke();

    std::shared_ptr<display::Scanner> const scanner_;
    std::function<std::uint64_t()> const place_;
    Guarded<State, LockRank::Console> state_;
};

} // namespace devices::firmware
