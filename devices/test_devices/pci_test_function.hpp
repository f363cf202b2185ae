/// A PCI function for guests that test how such are set up: a range of each kind, MSI, MSI-X and a ROM.
#pragma once

#include "devices/pc/byte_ports.hpp"
#include "devices/pc/pci_endpoint.hpp"
#include "hv/base/state.hpp"

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <vector>

namespace devices {

/// Vendor 1AF4, device 10F0, from the range that virtual devices may use for experiments (QEMU
/// docs/specs/pci-ids.rst). docs/devices.md has the layout of its ranges.
class PciTestFunction final : public PciFunction {
  public:
    static constexpr std::uint32_t magic = 0x5048'5446; ///< "FTHP" in memory
    static constexpr unsigned msi_vectors = 4;
    static constexpr unsigned msix_vectors = 4;

    PciTestFunction(PciSlot slot, PciBuses buses, MsiSink& interrupts);

    [[nodiscard]] PciFunction& function() { return *this; }

    [[nodiscard]] std::uint32_t config_read(std::uint8_t offset, unsigned size) override
    {
        return endpoint_.config_read(offset, size);
    }
    void config_write(std::uint8_t offset, unsigned size, std::uint32_t value) override
    {
        endpoint_.config_write(offset, size, value);
    }
    void visit(hv::StateVisitor& visitor) override;

  private:
    /// BAR 0.
    class Registers final : public DwordMmio {
      public:
        explicit Registers(PciTestFunction& device) : device_{device} {}
        void visit(hv::StateVisitor& visitor);

      private:
        [[nodiscard]] std::uint32_t read_dword(std::uint64_t offset, unsigned size) override;
        void write_dword(std::uint64_t offset, unsigned size, std::uint32_t value) override;

        PciTestFunction& device_;
        std::atomic<std::uint32_t> scratch_{0};
        std::atomic<std::uint32_t> writes_{0};
    };

    /// BAR 1.
    class Ports final : public BytePorts {
      public:
        void visit(hv::StateVisitor& visitor);

      private:
        [[nodiscard]] std::uint8_t read_byte(std::uint16_t offset) override;
        void write_byte(std::uint16_t offset, std::uint8_t value) override;

        std::array<std::atomic<std::uint8_t>, 16> bytes_{};
    };

    /// BARs 2 and 3: memory.
    class Bytes final : public MmioDevice {
      public:
        explicit Bytes(std::size_t size) : bytes_(size) {}
        [[nodiscard]] std::uint64_t read(std::uint64_t offset, unsigned size) override;
        void write(std::uint64_t offset, unsigned size, std::uint64_t value) override;
        void visit(hv::StateVisitor& visitor);

      private:
        std::mutex lock_;
        std::vector<std::byte> bytes_;
    };

    Registers registers_{*this};
    Ports ports_;
    Bytes bytes_;
    PciEndpoint endpoint_;
    Msi& msi_;
    Msix& msix_;
};

} // namespace devices
