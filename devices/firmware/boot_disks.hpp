/// The PCI function that lets firmware see the guest's disks, network cards and display: Porthole's EFI driver in its
/// ROM, and the mailboxes by which that reaches them.
#pragma once

#include "devices/firmware/block_mailbox.hpp"
#include "devices/firmware/console_mailbox.hpp"
#include "devices/firmware/network_mailbox.hpp"
#include "devices/pc/pci_endpoint.hpp"
#include "hv/base/state.hpp"

#include <memory>
#include <optional>
#include <vector>

namespace devices::firmware {

inline constexpr platform::PciSlot boot_disks_slot{2, 0};

class BootDisks {
  public:
    /// As BlockMailbox; `buses` outlive it. `console` is nullptr for a guest without a display.
    BootDisks(PciBuses buses, hv::GuestMemory const& memory, std::shared_ptr<void const> guest_ram,
              std::vector<BootUnit> units, std::vector<BootCard> cards, std::shared_ptr<ConsoleMailbox> console);

    [[nodiscard]] PciFunction& function() { return endpoint_; }

    /// The function itself is visited by its host.
    void visit(hv::StateVisitor& visitor);

  private:
    std::shared_ptr<ConsoleMailbox> const console_;
    BlockMailbox mailbox_;
    std::optional<NetworkMailbox> network_; ///< of a guest with a card
    PciEndpoint endpoint_;
};

} // namespace devices::firmware
