/// Who on a machine has which I/O ports, addresses and interrupts. The ACPI tables tell the guest from here.
#pragma once

#include "devices/pc/platform.hpp"

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace devices {

class Resources {
  public:
    struct Range { ///< of guest-physical addresses
        std::uint64_t base;
        std::uint64_t size; ///< bytes
    };

    /// How ACPI describes the owner to the guest.
    enum class Described {
        No,            ///< the guest knows by other means, or has no business there
        AsDevice,      ///< a device of its own
        AsMotherboard, ///< ports that no driver is to take, with others in one device
    };

    struct Claim {
        std::string owner; ///< for people
        std::vector<platform::PortRange> ports{};
        std::vector<Range> memory{}; ///< of a device that ACPI describes: below 4 GiB
        std::vector<platform::Irq> interrupts{};
        Described described = Described::No;
        std::string acpi_name{};        ///< of a device: four capital letters or digits
        std::string plug_and_play_id{}; ///< "PNP0501", or an ACPI ID, "MSFT0101"
        std::optional<std::uint8_t> unique_id{};
    };

    /// Throws std::logic_error, which names both owners, when another one has any of it.
    void add(Claim claim);

    /// In the order in which they were added.
    [[nodiscard]] std::span<Claim const> claims() const { return claims_; }
    /// Empty when nobody has it.
    [[nodiscard]] std::string_view owner_of_port(std::uint16_t port) const;

  private:
    std::vector<Claim> claims_;
};

/// What every guest's PC has, the interrupt controllers and the timer in the kernel included.
[[nodiscard]] Resources pc_resources();

} // namespace devices
