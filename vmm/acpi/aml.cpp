#include "vmm/acpi/aml.hpp"

#include <algorithm>
#include <cstdint>
#include <initializer_list>
#include <stdexcept>
#include <string>
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
constexpr std::uint8_t word_prefix = 0x0B;
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
    auto const size = static_cast<unsigned>(body.size());
    if (size + 1 < 0x40)
        add(out, {size + 1});
    else if (auto const length = size + 2; length <= 0xFFF)
        add(out, {1U << 6 | (length & 0xF), length >> 4});
    else if (auto const longer = size + 3; longer <= 0xF'FFFF)
        add(out, {2U << 6 | (longer & 0xF), longer >> 4 & 0xFF, longer >> 12});
    else
        throw std::length_error{"too much for one ACPI scope"};
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
    else if (value <= 0xFF)
        add(out, {byte_prefix, value});
    else
        add(out, {word_prefix, value & 0xFF, value >> 8 & 0xFF});
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

Aml device(std::string_view what, std::string_view id, std::optional<unsigned> unique_id, Aml const& objects)
{
    Aml body;
    add(body, what);
    add(body, name("_HID", hardware_id(id)));
    if (unique_id) add(body, name("_UID", number(*unique_id)));
    add(body, objects);
    Aml out;
    add(out, {ext_op, device_op});
    add(out, package(body));
    return out;
}

Aml current_resources(Aml resources)
{
    add(resources, {end_tag, 0}); // no checksum
    return name("_CRS", buffer(resources));
}

Aml system_bus(Aml const& devices)
{
    Aml body;
    add(body, "\\_SB_");
    add(body, devices);
    Aml out;
    add(out, {scope_op});
    add(out, package(body));
    return out;
}

constexpr unsigned max_processors = 0x1000;

/// Of the four characters that a name may have, three are the number in hexadecimal, as QEMU has it.
std::string processor_name(unsigned number)
{
    std::string name{'C'};
    for (unsigned const shift : {8U, 4U, 0U})
        name += "0123456789ABCDEF"[number >> shift & 0xF];
    return name;
}

} // namespace

std::vector<std::byte> describe_in_aml(std::span<Resources::Claim const> claims)
{
    Aml devices;
    Aml motherboard;
    for (auto const& claim : claims) {
        if (claim.described == Described::AsDevice) {
            Aml resources;
            add_resources(resources, claim);
            add(devices, device(claim.acpi_name, claim.plug_and_play_id, claim.unique_id,
                                current_resources(std::move(resources))));
        } else if (claim.described == Described::AsMotherboard) {
            add_resources(motherboard, {.owner = claim.owner, .ports = claim.ports});
        }
    }
    if (!motherboard.empty())
        add(devices, device("MBRD", "PNP0C02", std::nullopt, current_resources(std::move(motherboard))));
    return system_bus(devices);
}

std::vector<std::byte> processors_in_aml(unsigned count)
{
    if (count > max_processors) throw std::length_error{"too many CPUs for the names of ACPI devices"};
    Aml devices;
    for (unsigned id = 0; id < count; ++id)
        add(devices, device(processor_name(id), "ACPI0007", id, {}));
    return system_bus(devices);
}

} // namespace vmm
