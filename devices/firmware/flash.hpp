/// The flash chip in which a UEFI firmware keeps its variables.
#pragma once

#include "devices/base/guarded.hpp"
#include "devices/pc/mmio_bus.hpp"
#include "hv/base/state.hpp"

#include <cstddef>
#include <cstdint>
#include <span>
#include <tuple>

namespace devices::firmware {

inline constexpr std::size_t flash_block = 4096; ///< bytes that are erased together

/// The bytes of a chip, and where they are kept when the guest ends.
class FlashContent {
  public:
    FlashContent() = default;
    FlashContent(FlashContent const&) = delete;
    FlashContent& operator=(FlashContent const&) = delete;
    virtual ~FlashContent() = default;

    /// Whole blocks, always at the same place.
    [[nodiscard]] virtual std::span<std::byte> bytes() const = 0;
    /// These bytes, of one block, have changed. Called on a vCPU's thread, in the order of the changes: whoever looks
    /// at what is kept finds all changes up to one of them, and none after it.
    virtual void keep(std::size_t offset, std::size_t size) noexcept = 0;
};

/// How the guest reaches the bytes while the chip shows them: as memory, without an exit.
class FlashWindow {
  public:
    FlashWindow() = default;
    FlashWindow(FlashWindow const&) = delete;
    FlashWindow& operator=(FlashWindow const&) = delete;
    virtual ~FlashWindow() = default;

    /// Opens or closes it. On a vCPU's thread, one call at a time. Where it is closed, reads come to the chip.
    virtual void open(bool yes) = 0;
};

/// The commands of Intel's chips that OVMF uses (edk2 OvmfPkg/QemuFlashFvbServicesRuntimeDxe/QemuFlash.c), as QEMU
/// answers them (hw/block/pflash_cfi01.c): what is programmed is stored as it is, also where a real chip could only
/// clear bits. A byte takes two writes, so bytes wait until a block's run of them ends before they are kept: with the
/// command that shows the bytes again, another place, or the end.
class Flash final : public MmioDevice {
  public:
    /// The window is open at first. Both outlive the chip.
    Flash(FlashContent& content, FlashWindow& window);
    ~Flash() override;

    [[nodiscard]] std::uint64_t read(std::uint64_t offset, unsigned size) override;
    void write(std::uint64_t offset, unsigned size, std::uint64_t value) override;
    /// What the chip does; its bytes are its content's. What was saved is not trusted.
    void visit(hv::StateVisitor& visitor);

  private:
    enum class Mode : std::uint8_t { Array, Status, Program, Erase };

    /// What the lock guards.
    class Chip {
      public:
        Chip(FlashContent& content, FlashWindow& window) : content_{content}, window_{window} {}

        [[nodiscard]] std::uint64_t read(std::uint64_t offset, unsigned size) const;
        void write(std::uint64_t offset, unsigned size, std::uint64_t value);
        /// What has waited is kept.
        void settle();
        void visit(hv::StateVisitor& visitor);

      private:
        void command(std::uint64_t offset, std::uint8_t value);
        void program(std::uint64_t offset, unsigned size, std::uint64_t value);
        void erase(std::uint64_t offset);
        void enter(Mode mode);

        struct State {
            Mode mode = Mode::Array;
            std::uint8_t status = 0;

            static constexpr auto fields()
            {
                return std::tuple{hv::StateField{"mode", &State::mode}, hv::StateField{"status", &State::status}};
            }
        };

        FlashContent& content_;
        FlashWindow& window_;
        bool open_ = true; ///< the window
        State state_;
        std::size_t changed_ = 0;      ///< where the run of bytes begins that are not kept yet
        std::size_t changed_size_ = 0; ///< of it; within one block
    };

    Guarded<Chip, LockRank::Leaf> chip_;
};

} // namespace devices::firmware
