#include "devices/pc/fw_cfg.hpp"

#include <algorithm>
#include <span>
#include <string_view>

namespace devices {

namespace {

constexpr std::uint16_t signature_key = 0x0000; // selected at first
constexpr std::uint16_t interface_key = 0x0001;
constexpr std::uint16_t memory_key = 0x0003;
constexpr std::uint16_t cpus_key = 0x0005;
constexpr std::uint16_t max_cpus_key = 0x000F;

constexpr std::uint32_t interface_traditional = 1; // and no DMA

constexpr std::uint16_t selector_port = 0;
constexpr std::uint16_t data_port = 1;

std::vector<std::byte> text(std::string_view value)
{
    auto const bytes = std::as_bytes(std::span{value});
    return {bytes.begin(), bytes.end()};
}

template <typename Number>
std::vector<std::byte> little_endian(Number value)
{
    std::vector<std::byte> bytes;
    for (unsigned i = 0; i < sizeof value; ++i)
        bytes.push_back(static_cast<std::byte>(value >> (8 * i)));
    return bytes;
}

} // namespace

FwCfg::FwCfg(Machine machine)
    : items_{
          {signature_key, text("QEMU")},
          {interface_key, little_endian(interface_traditional)},
          {memory_key, little_endian(machine.memory)},
          {cpus_key, little_endian(machine.cpus)},
          {max_cpus_key, little_endian(machine.cpus)},
      }
{}

std::uint32_t FwCfg::read(std::uint16_t offset, unsigned size)
{
    if (offset != data_port || size != 1) return 0;

    auto const state = state_.lock();
    auto const item = std::ranges::find(items_, state->selected, &Item::key);
    if (item == items_.end() || state->offset >= item->bytes.size()) return 0;
    return std::to_integer<std::uint32_t>(item->bytes[state->offset++]);
}

void FwCfg::write(std::uint16_t offset, unsigned size, std::uint32_t value)
{
    if (offset != selector_port || size != 2) return;

    *state_.lock() = {static_cast<std::uint16_t>(value), 0};
}

void FwCfg::visit(hv::StateVisitor& visitor)
{
    hv::visit(visitor, *state_.lock());
}

} // namespace devices
