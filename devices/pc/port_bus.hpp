/// Decodes the I/O ports of one machine: which device answers which port.
#pragma once

#include "devices/pc/bus_map.hpp"
#include "devices/pc/platform.hpp"
#include "devices/pc/port_io.hpp"

#include <array>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace devices {

class PortBus {
  public:
    using Window = BusMap<PortDevice>::Window;

    /// Claims `count` ports from `first` for good. The device must outlive the bus; `owner` is its name for messages.
    /// Throws std::logic_error when another device has claimed one of them, which names both, or the range leaves the
    /// 64 Ki ports. Called while the machine is built, before any VP runs.
    void map(std::uint16_t first, std::uint16_t count, PortDevice& device, std::string owner = "another device");
    void map(platform::PortRange ports, PortDevice& device, std::string owner = "another device")
    {
        map(ports.first, ports.count, device, std::move(owner));
    }

    /// A range that the guest moves while VPs run, such as a BAR's: see BusMap.
    [[nodiscard]] Window window(unsigned number, PortDevice& device) { return windows_.window(number, device); }

    /// A port that no device claims reads as all ones, as on a PC.
    [[nodiscard]] std::uint32_t read(std::uint16_t port, unsigned size) const;
    void write(std::uint16_t port, unsigned size, std::uint32_t value) const;

  private:
    static constexpr unsigned page_ports = 256;

    struct Range {
        std::uint16_t first;
        std::uint16_t last;
        PortDevice* device;
        std::string owner;
    };

    /// What fixed devices have is looked up in two steps whatever their number: for each port of a page the number of
    /// its range, 0 for none.
    using Page = std::array<std::uint8_t, page_ports>;

    [[nodiscard]] std::uint8_t& entry(std::uint16_t port);
    [[nodiscard]] Range const* find(std::uint16_t port) const;
    /// Calls `access(device, offset)` for the device that has the port; false when nobody has it.
    bool reach(std::uint16_t port, auto const& access) const;

    std::vector<Range> ranges_;                           // range n is ranges_[n - 1]
    std::vector<Page> pages_;                             // page n is pages_[n - 1]; a PC uses half a dozen
    std::array<std::uint8_t, page_ports> page_numbers_{}; // by the port's high byte, 0 for a page without devices
    BusMap<PortDevice> windows_;                          // for what fixed devices leave
};

} // namespace devices
