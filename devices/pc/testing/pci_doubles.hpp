/// What stands behind a PCI function's ranges, and hears of its interrupts, in tests.
#pragma once

#include "devices/pc/pci_endpoint.hpp"

#include <cstdint>
#include <vector>

namespace devices::testing {

/// Reads as the offset.
struct OffsetMemory final : MmioDevice {
    std::uint64_t read(std::uint64_t offset, unsigned) override { return offset; }
    void write(std::uint64_t, unsigned, std::uint64_t) override {}
};

/// The same, of ports.
struct OffsetPorts final : PortDevice {
    std::uint32_t read(std::uint16_t offset, unsigned) override { return offset; }
    void write(std::uint16_t, unsigned, std::uint32_t) override {}
};

struct RecordedMessages final : MsiSink {
    std::vector<MsiMessage> sent;
    void send(MsiMessage const& message) override { sent.push_back(message); }
};

} // namespace devices::testing
