/// The SynIC test device that public test kernels expect on port 0x3000, which QEMU calls hyperv-testdev: it connects
/// a guest to itself, which the TLFS forbids ports to do. Exists only with --test-devices.
#pragma once

#include "devices/pc/port_io.hpp"
#include "hv/partition/partition.hpp"

#include <cstdint>
#include <memory>

namespace devices {

/// A 32-bit OUT: byte 0 the SINT, byte 1 the VP, byte 2 a command, byte 3 a connection ID. Nonsense is ignored.
class SynicTestDevice final : public PortDevice {
  public:
    explicit SynicTestDevice(std::shared_ptr<hv::Partition> partition) : partition_{std::move(partition)} {}

    [[nodiscard]] std::uint32_t read(std::uint16_t offset, unsigned size) override;
    void write(std::uint16_t offset, unsigned size, std::uint32_t value) override;

  private:
    struct Request {
        hv::Sint sint;
        hv::VpIndex vp;
        std::uint8_t connection;
    };

    void assert_sint(Request const& request) const;
    void connect(Request const& request, bool events) const;
    void disconnect(Request const& request) const;

    std::shared_ptr<hv::Partition> const partition_;
};

} // namespace devices
