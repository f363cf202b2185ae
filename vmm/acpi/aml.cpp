#include "vmm/acpi/aml.hpp"

#include <algorithm>
#include <cstdint>
#include <initializer_list>
#include <stdexcept>
#include <string_view>

namespace vmm {

namespace {

using devices::Resources;
using Aml = std::vector<std::byte>;
using Described = Resources::Described;

// Opcodes (§20.3).
constexpr std::uint8_t zero_op = 0x00;
constexpr std::uint8_t one_op = 0x01;
constexpr std::uint8_t name_op = 0x08;
constexpr std::uint8_t byte_prefix = 0x0A;
constexpr std::uint8_t dword_prefix = 0x0C;
constexpr std::uint8_t string_prefix = 0x0D;
constexpr std::uint8_t scope_op = 0x10;
constexpr std::uint8_t buffer_op = 0x11;
constexpr std::uint8_t ext_op = 0x5B;
constexpr std::uint8_t device_op = 0x82;

// Small resource descriptors (§6.4.2), each with its length in the low three bits.
constexpr std::uint8_t irq_descriptor = 0x22;
constexpr std::uint8_t io_descriptor = 0x47;
constexpr std::uint8_t end_tag = 0x79;

// Large ones (§6.4.3), each with its length in the two bytes behind it.
constexpr std::uint8_t fixed_memory_descriptor = 0x86;

void add(Aml& to, std::initializer_list<unsigned> bytes)
{
    for (auto const b : bytes)
        to.push_back(static_cast<std::byte>(b));
}

void add(Aml& to, std::string_view text)
{
    for (auto const c : text)
        to.push_back(static_cast<std::byte>(c));
}

void add_dword(Aml& to, std::uint64_t value)
{
    for (unsigned byte = 0; byte < 4; ++byte)
        to.push_back(static_cast<std::byte>(value >> 8 * byte & 0xFF));
}

void add(Aml& to, Aml const& part)
{
    to.insert(to.end(), part.begin(), part.end());
}

/// The body behind its length, which counts itself (§20.2.4).
Aml package(Aml const& body)
{
    Aml out;
    if (auto const all = body.size() + 1; all < 0x40) {
        add(out, {static_cast<unsigned>(all)});
    } else {
        auto const length = static_cast<unsigned>(body.size() + 2);
        if (length > 0xFFF) throw std::length_error{"too many resources for one ACPI device"};
        add(out, {0x40U | (length & 0xF), length >> 4});
    }
    add(out, body);
    return out;
}

Aml number(unsigned value)
{
    Aml out;
    if (value == 0)
        add(out, {zero_op});
    else if (value == 1)
        add(out, {one_op});
    else
        add(out, {byte_prefix, value});
    return out;
}

/// "PNP0501" as the number that it is packed into: three letters of five bits, and four digits (§19.3.4, EISAID).
Aml plug_and_play_id(std::string_view id)
{
    auto const letter = [&](std::size_t n) { return static_cast<unsigned>(id[n] - 0x40); };
    auto const digit = [&](std::size_t n) {
        return static_cast<unsigned>(id[n] <= '9' ? id[n] - '0' : id[n] - 'A' + 10);
    };
    auto const packed = letter(0) << 10 | letter(1) << 5 | letter(2);
    Aml out;
    add(out, {dword_prefix, packed >> 8, packed & 0xFF, digit(3) << 4 | digit(4), digit(5) << 4 | digit(6)});
    return out;
}

/// Those of plug and play have seven characters and are packed, those of ACPI have eight and are not (§6.1.5).
Aml hardware_id(std::string_view id)
{
    if (id.size() == 7) return plug_and_play_id(id);
    Aml out;
    add(out, {string_prefix});
    add(out, id);
    add(out, {0});
    return out;
}

Aml name(std::string_view what, Aml const& value)
{
    Aml out;
    add(out, {name_op});
    add(out, what);
    add(out, value);
    return out;
}

void add_resources(Aml& to, Resources::Claim const& claim)
{
    constexpr unsigned decodes_16_bits = 1;
    constexpr unsigned alignment = 1;
    for (auto const& ports : claim.ports) {
        auto const low = ports.first & 0xFFU;
        auto const high = static_cast<unsigned>(ports.first) >> 8;
        add(to, {io_descriptor, decodes_16_bits, low, high, low, high, alignment, ports.count});
    }
    for (auto const& range : claim.memory) {
        constexpr unsigned length = 9;
        constexpr unsigned read_write = 1;
        add(to, {fixed_memory_descriptor, length, 0, read_write});
        add_dword(to, range.base);
        add_dword(to, range.size);
    }
    for (auto const& irq : claim.interrupts)
        add(to, {irq_descriptor, (1U << irq.gsi) & 0xFF, (1U << irq.gsi) >> 8});
}

Aml buffer(Aml const& bytes)
{
    auto body = number(static_cast<unsigned>(bytes.size()));
    add(body, bytes);
    Aml out;
    add(out, {buffer_op});
    add(out, package(body));
    return out;
}

Aml device(std::string_view what, std::string_view id, std::optional<std::uint8_t> unique_id, Aml resources)
{
    Aml body;
    add(body, what);
    add(body, name("_HID", hardware_id(id)));
    if (unique_id) add(body, name("_UID", number(*unique_id)));
    add(resources, {end_tag, 0}); // no checksum
    add(body, name("_CRS", buffer(resources)));
    Aml out;
    add(out, {ext_op, device_op});
    add(out, package(body));
    return out;
}

} // namespace

std::vector<std::byte> describe_in_aml(std::span<Resources::Claim const> claims)
{
    Aml body;
    add(body, "\\_SB_");
    Aml motherboard;
    for (auto const& claim : claims) {
        if (claim.described == Described::AsDevice) {
            Aml resources;
            add_resources(resources, claim);
            add(body, device(claim.acpi_name, claim.plug_and_play_id, claim.unique_id, std::move(resources)));
        } else if (claim.described == Described::AsMotherboard) {
            add_resources(motherboard, {.owner = claim.owner, .ports = claim.ports});
        }
    }
    if (!motherboard.empty()) add(body, device("MBRD", "PNP0C02", std::nullopt, std::move(motherboard)));
    Aml out;
    add(out, {scope_op});
    add(out, package(body));
    return out;
}

} // namespace vmm
