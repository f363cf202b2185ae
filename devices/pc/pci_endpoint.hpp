/// A PCI function with everything that a driver expects to set up: ranges, a ROM, interrupts by messages.
#pragma once

#include "devices/base/guarded.hpp"
#include "devices/pc/msi.hpp"
#include "devices/pc/pci_bars.hpp"
#include "devices/pc/pci_host.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <tuple>
#include <utility>
#include <vector>

namespace devices {

/// The fixed words of a function's header.
struct PciIdentity {
    std::uint16_t vendor;
    std::uint16_t device;
    std::uint32_t class_code; ///< base class, subclass and interface, 24 bits
    std::uint8_t revision = 0;
    std::uint16_t subsystem_vendor = 0;
    std::uint16_t subsystem = 0;
    bool multi_function = false; ///< of function 0: that there are others
};

/// A header of type 0 (PCI Local Bus Specification 3.0 §6.1). A device has one, or is one; what it adds, it adds
/// while the machine is built. The buses and all that it is given outlive it.
class PciEndpoint final : public PciFunction {
  public:
    PciEndpoint(PciIdentity const& identity, PciSlot slot, PciBuses buses);

    /// As PciBars::add and add_rom.
    void add_bar(unsigned number, PciBar const& bar) { configuration_.lock()->add_bar(number, bar); }
    void add_rom(std::vector<std::byte> image) { configuration_.lock()->add_rom(std::move(image)); }
    /// Throws std::logic_error for what cannot be. Both may be there: a driver uses one of them.
    Msi& add_msi(unsigned vectors, MsiSink& sink);
    /// Takes a 32-bit BAR.
    Msix& add_msix(unsigned bar, unsigned vectors, MsiSink& sink);

    [[nodiscard]] PciSlot slot() const { return slot_; }

    [[nodiscard]] std::uint32_t config_read(std::uint8_t offset, unsigned size) override;
    void config_write(std::uint8_t offset, unsigned size, std::uint32_t value) override;
    /// Interrupts that wait for a mask bit go on waiting; none is sent again.
    void visit(hv::StateVisitor& visitor) override { configuration_.lock()->visit(visitor); }

  private:
    /// What the lock guards.
    class Configuration {
      public:
        Configuration(PciIdentity const& identity, PciSlot slot, PciBuses buses);

        void add_bar(unsigned number, PciBar const& bar) { bars_.add(number, bar); }
        void add_rom(std::vector<std::byte> image) { bars_.add_rom(std::move(image)); }
        void add(std::unique_ptr<PciCapability> capability);
        [[nodiscard]] std::uint32_t read(unsigned dword) const;
        void write(unsigned dword, std::uint32_t value, std::uint32_t mask);
        void visit(hv::StateVisitor& visitor);

      private:
        struct State {
            std::uint32_t command = 0;
            std::uint32_t header = 0; ///< cache line size and latency timer, which mean nothing here
            std::uint8_t interrupt_line = 0;

            static constexpr auto fields()
            {
                return std::tuple{hv::StateField{"command", &State::command},
                                  hv::StateField{"header", &State::header},
                                  hv::StateField{"interrupt_line", &State::interrupt_line}};
            }
        };

        struct Placed {
            unsigned first; ///< its first dword
            std::unique_ptr<PciCapability> capability;
        };

        void write_command(std::uint32_t value, std::uint32_t mask);
        [[nodiscard]] Placed const* capability_at(unsigned dword) const;
        [[nodiscard]] std::uint32_t link_of(Placed const& placed) const;

        PciIdentity const identity_;
        std::vector<Placed> capabilities_;
        PciBars bars_;
        State state_;
    };

    PciSlot const slot_;
    Guarded<Configuration, LockRank::PciFunction> configuration_;
};

} // namespace devices
