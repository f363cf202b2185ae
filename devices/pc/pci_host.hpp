/// PCI configuration space through configuration mechanism #1, with one bus and its host bridge.
#pragma once

#include "devices/pc/pci_fixed_function.hpp"
#include "devices/pc/pci_function.hpp"
#include "devices/pc/platform.hpp"
#include "devices/pc/port_io.hpp"
#include "hv/base/state.hpp"

#include <array>
#include <atomic>
#include <cstdint>

namespace devices {

using PciSlot = platform::PciSlot;

/// Source: PCI Local Bus Specification 3.0 §3.2.2.3.2. Comes with a host bridge at 00:00.0.
class PciHost {
  public:
    /// The identity of a host bridge: the device's in the upper half, the vendor's in the lower.
    /// The generic one of Red Hat's virtual devices: no driver has quirks for it.
    static constexpr std::uint32_t generic_bridge = 0x0008'1B36;

    explicit PciHost(std::uint32_t bridge = generic_bridge);

    /// Adds a function, which must outlive the host. Throws std::logic_error when the slot is taken or there is no
    /// such slot. Called while the machine is built. A device with more than one function says so in function 0's
    /// header type.
    void add(PciSlot slot, PciFunction& function);

    /// CONFIG_ADDRESS, to be mapped at platform::pci_config_address: a dword, other sizes do not reach it.
    [[nodiscard]] PortDevice& address_port() { return address_port_; }

    /// CONFIG_DATA, to be mapped at platform::pci_config_data.
    [[nodiscard]] PortDevice& data_port() { return data_port_; }

    /// Of all functions too.
    void visit(hv::StateVisitor& visitor);

  private:
    class AddressPort final : public PortDevice {
      public:
        explicit AddressPort(PciHost& host) : host_{host} {}
        [[nodiscard]] std::uint32_t read(std::uint16_t offset, unsigned size) override;
        void write(std::uint16_t offset, unsigned size, std::uint32_t value) override;

      private:
        PciHost& host_;
    };

    class DataPort final : public PortDevice {
      public:
        explicit DataPort(PciHost& host) : host_{host} {}
        [[nodiscard]] std::uint32_t read(std::uint16_t offset, unsigned size) override;
        void write(std::uint16_t offset, unsigned size, std::uint32_t value) override;

      private:
        PciHost& host_;
    };

    [[nodiscard]] PciFunction* selected(std::uint32_t address) const;

    AddressPort address_port_{*this};
    DataPort data_port_{*this};
    PciFixedFunction bridge_;
    std::array<PciFunction*, 256> functions_{}; // by device and function
    std::atomic<std::uint32_t> address_{0};
};

} // namespace devices
