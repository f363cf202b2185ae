/// The base address registers of a PCI function, and its expansion ROM's: where in memory and among the ports the
/// guest wants its ranges.
#pragma once

#include "devices/pc/mmio_bus.hpp"
#include "devices/pc/pci_host.hpp"
#include "devices/pc/pci_registers.hpp"
#include "devices/pc/port_bus.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <tuple>
#include <vector>

namespace devices {

/// Where a function's ranges appear.
struct PciBuses {
    MmioBus& memory;
    PortBus& ports;
};

/// What stands behind a base address register.
struct PciBar {
    enum class Kind {
        Memory32,
        Memory64, ///< takes the next register as well
        Io,
    };

    Kind kind;
    std::uint64_t size;           ///< bytes: a power of two; of memory 16 at least, of ports 4 to 256
    MmioDevice* memory = nullptr; ///< of memory; outlives the function
    PortDevice* ports = nullptr;  ///< of ports, likewise
    bool prefetchable = false;    ///< memory that may be read ahead: no read changes anything
};

/// Not for several threads: the function guards it.
///
/// Where a range overlaps what others have: RAM comes first, because no access to it ever arrives here; then what
/// fixed devices have; then the function with the lower device and function number; then the lower register, the ROM
/// last. Ranges that one shadows come back when it goes elsewhere.
class PciBars {
  public:
    PciBars(PciBuses buses, PciSlot slot) : buses_{buses}, first_window_{(slot.device * 8 + slot.function) * 8} {}

    /// Throws std::logic_error for what no register can be. While the machine is built.
    void add(unsigned number, PciBar const& bar);
    /// An expansion ROM, padded to a size that one may have. The same.
    void add_rom(std::vector<std::byte> image);

    /// A register, by its dword in configuration space.
    [[nodiscard]] std::uint32_t read(unsigned dword) const;
    void write(unsigned dword, std::uint32_t value, std::uint32_t mask);

    /// What the command register says.
    void decode(bool memory, bool ports);

    void visit(hv::StateVisitor& visitor);

    [[nodiscard]] bool has_memory() const { return has_memory_; }
    [[nodiscard]] bool has_ports() const { return has_ports_; }

  private:
    /// The content of a ROM. What lies behind the image reads as all ones.
    class Rom final : public MmioDevice {
      public:
        explicit Rom(std::vector<std::byte> image) : image_{std::move(image)} {}
        [[nodiscard]] std::uint64_t read(std::uint64_t offset, unsigned size) override;
        void write(std::uint64_t, unsigned, std::uint64_t) override {}

      private:
        std::vector<std::byte> const image_;
    };

    struct Register {
        PciBar bar{PciBar::Kind::Memory32, 0};
        MmioBus::Window memory;
        PortBus::Window ports;

        [[nodiscard]] bool exists() const { return bar.size != 0; }
        [[nodiscard]] std::uint32_t flags() const;
    };

    /// What the guest has written.
    struct State {
        std::array<std::uint64_t, pci::bars + 1> addresses{}; ///< without the bits that the size leaves out
        bool rom_enabled = false;

        static constexpr auto fields()
        {
            return std::tuple{hv::StateField{"addresses", &State::addresses},
                              hv::StateField{"rom_enabled", &State::rom_enabled}};
        }
    };

    void place(unsigned number);
    [[nodiscard]] bool is_upper_half(unsigned number) const;

    PciBuses const buses_;
    unsigned const first_window_;
    std::unique_ptr<Rom> rom_;
    std::array<Register, pci::bars + 1> registers_{}; ///< the ROM's last
    State state_;
    bool has_memory_ = false;
    bool has_ports_ = false;
    bool decodes_memory_ = false;
    bool decodes_ports_ = false;
};

} // namespace devices
