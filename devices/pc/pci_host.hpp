/// PCI configuration space through configuration mechanism #1, with one bus and its host bridge.
#pragma once

#include "devices/pc/platform.hpp"
#include "devices/pc/port_io.hpp"
#include "hv/base/state.hpp"

#include <array>
#include <atomic>
#include <cstdint>

namespace devices {

/// One function's configuration space. Called from vCPU threads, several at once: a function guards its own state.
class PciFunction {
  public:
    PciFunction() = default;
    PciFunction(PciFunction const&) = delete;
    PciFunction& operator=(PciFunction const&) = delete;
    virtual ~PciFunction() = default;

    /// `offset` is 0 to 255, `size` 1, 2 or 4 bytes; an access never leaves its aligned dword.
    [[nodiscard]] virtual std::uint32_t config_read(std::uint8_t offset, unsigned size) = 0;
    virtual void config_write(std::uint8_t offset, unsigned size, std::uint32_t value) = 0;
    /// What the guest has made of it. What was saved is not trusted.
    virtual void visit(hv::StateVisitor& visitor) = 0;
};

using PciSlot = platform::PciSlot;

/// Source: PCI Local Bus Specification 3.0 §3.2.2.3.2. Comes with a host bridge at 00:00.0.
class PciHost {
  public:
    PciHost();

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

    /// The bridge has an identity and nothing to configure.
    class HostBridge final : public PciFunction {
      public:
        [[nodiscard]] std::uint32_t config_read(std::uint8_t offset, unsigned size) override;
        void config_write(std::uint8_t, unsigned, std::uint32_t) override {}
        void visit(hv::StateVisitor&) override {}
    };

    [[nodiscard]] PciFunction* selected(std::uint32_t address) const;

    AddressPort address_port_{*this};
    DataPort data_port_{*this};
    HostBridge bridge_;
    std::array<PciFunction*, 256> functions_{}; // by device and function
    std::atomic<std::uint32_t> address_{0};
};

} // namespace devices
