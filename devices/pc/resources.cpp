#include "devices/pc/resources.hpp"

#include <algorithm>
#include <cstdio>
#include <stdexcept>
#include <utility>

namespace devices {

namespace {

std::string hexadecimal(std::uint64_t value)
{
    char text[20];
    std::snprintf(text, sizeof text, "0x%llX", static_cast<unsigned long long>(value));
    return text;
}

[[noreturn]] void refuse(Resources::Claim const& one, Resources::Claim const& other, std::string const& what)
{
    throw std::logic_error{one.owner + " and " + other.owner + " both claim " + what};
}

bool overlap(platform::PortRange const& a, platform::PortRange const& b)
{
    return a.first < b.first + b.count && b.first < a.first + a.count;
}

bool overlap(Resources::Range const& a, Resources::Range const& b)
{
    return a.base - b.base < b.size || b.base - a.base < a.size;
}

void check(Resources::Claim const& fresh, Resources::Claim const& other)
{
    for (auto const& mine : fresh.ports)
        for (auto const& theirs : other.ports)
            if (overlap(mine, theirs))
                refuse(fresh, other, "I/O port " + hexadecimal(std::max(mine.first, theirs.first)));
    for (auto const& mine : fresh.memory)
        for (auto const& theirs : other.memory)
            if (overlap(mine, theirs))
                refuse(fresh, other, "address " + hexadecimal(std::max(mine.base, theirs.base)));
    for (auto const& mine : fresh.interrupts)
        for (auto const& theirs : other.interrupts)
            if (mine.gsi == theirs.gsi) refuse(fresh, other, "interrupt " + std::to_string(mine.gsi));
}

} // namespace

void Resources::add(Claim claim)
{
    for (auto const& ports : claim.ports)
        if (ports.first + ports.count > 0x1'0000)
            throw std::logic_error{claim.owner + " claims ports beyond the last"};
    for (auto const& range : claim.memory)
        if (range.base + range.size < range.base)
            throw std::logic_error{claim.owner + " claims addresses beyond the last"};
    for (auto const& other : claims_)
        check(claim, other);
    claims_.push_back(std::move(claim));
}

std::string_view Resources::owner_of_port(std::uint16_t port) const
{
    for (auto const& claim : claims_)
        for (auto const& ports : claim.ports)
            if (overlap(ports, {port, 1})) return claim.owner;
    return {};
}

Resources pc_resources()
{
    using Described = Resources::Described;
    constexpr platform::PortRange pci_and_reset{platform::pci_config_address.first, 8}; // and reset control within it
    Resources all;
    all.add({.owner = "COM1",
             .ports = {platform::com1},
             .interrupts = {platform::com1_irq},
             .described = Described::AsDevice,
             .acpi_name = "COM1",
             .plug_and_play_id = "PNP0501",
             .unique_id = 1});
    all.add({.owner = "the real-time clock",
             .ports = {platform::rtc},
             .interrupts = {platform::rtc_irq},
             .described = Described::AsDevice,
             .acpi_name = "RTC_",
             .plug_and_play_id = "PNP0B00"});
    // The FADT tells of these registers and of the interrupt; here they are kept from others.
    all.add({.owner = "ACPI's fixed hardware",
             .ports = {platform::acpi_pm},
             .interrupts = {platform::acpi_sci},
             .described = Described::AsMotherboard});
    all.add(
        {.owner = "PCI configuration and reset", .ports = {pci_and_reset}, .described = Described::AsMotherboard});
    all.add({.owner = "the hypercall page",
             .ports = {{platform::hypercall_port_64, 2}},
             .described = Described::AsMotherboard});
    // As on any PC.
    all.add({.owner = "the keyboard controller", .ports = {platform::keyboard_command}});
    all.add({.owner = "system control port A", .ports = {platform::system_control_a}});
    all.add({.owner = "the kernel's interrupt controllers",
             .ports = {{0x20, 2}, {0xA0, 2}, {0x4D0, 2}},
             .memory = {{0xFEC0'0000, 0x1000}, {0xFEE0'0000, 0x1000}}});
    all.add({.owner = "the kernel's timer", .ports = {{0x40, 4}, {0x61, 1}}, .interrupts = {{0}, {2}}});
    return all;
}

} // namespace devices
