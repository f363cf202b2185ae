#include "devices/firmware/boot_disks.hpp"

#include "devices/firmware/option_rom.hpp"

#include <utility>

namespace devices::firmware {

namespace {

constexpr std::uint32_t of_no_class = 0xFF'0000; ///< no driver for a class takes it
constexpr PciIdentity identity{.vendor = mailbox::vendor, .device = mailbox::device, .class_code = of_no_class};

} // namespace

BootDisks::BootDisks(PciBuses buses, hv::GuestMemory const& memory, std::shared_ptr<void const> guest_ram,
                     std::vector<BootUnit> units, std::vector<BootCard> cards,
                     std::shared_ptr<ConsoleMailbox> console)
    : console_{std::move(console)},
      mailbox_{memory, std::move(guest_ram), std::move(units)},
      endpoint_{identity, boot_disks_slot, buses}
{
    endpoint_.add_bar(0, {.kind = PciBar::Kind::Memory32, .size = mailbox::size, .memory = &mailbox_});
    if (console_)
        endpoint_.add_bar(console::bar,
                          {.kind = PciBar::Kind::Memory32, .size = console::size, .memory = console_.get()});
    if (!cards.empty()) {
        network_.emplace(memory, std::move(cards));
        endpoint_.add_bar(network::bar,
                          {.kind = PciBar::Kind::Memory32, .size = network::size, .memory = &*network_});
    }
    endpoint_.add_rom(option_rom(efi_driver(), identity));
}

void BootDisks::visit(hv::StateVisitor& visitor)
{
    mailbox_.visit(visitor);
    if (network_) {
        hv::VisitedNode const node{visitor, "network"};
        network_->visit(visitor);
    }
    if (!console_) return;
    hv::VisitedNode const node{visitor, "console"};
    console_->visit(visitor);
}

} // namespace devices::firmware
