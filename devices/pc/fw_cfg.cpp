#include "devices/pc/fw_cfg.hpp"

#include "devices/base/big_endian.hpp"

#include <algorithm>
#include <span>
#include <stdexcept>
#include <string_view>
#include <utility>

namespace devices {

namespace {

constexpr std::uint16_t signature_key = 0x0000; // selected at first
constexpr std::uint16_t interface_key = 0x0001;
constexpr std::uint16_t memory_key = 0x0003;
constexpr std::uint16_t cpus_key = 0x0005;
constexpr std::uint16_t max_cpus_key = 0x000F;
constexpr std::uint16_t directory_key = 0x0019;
constexpr std::uint16_t first_file_key = 0x0020;

// The directory: how many files there are, then an entry for each: size, key, two bytes of nothing and a name that
// ends with a zero. Its numbers are big-endian.
constexpr std::size_t count_size = 4;
constexpr std::size_t name_offset = 8; ///< in an entry
constexpr std::size_t entry_size = name_offset + FwCfg::longest_name + 1;
static_assert(entry_size == 64);

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
          {directory_key, std::vector<std::byte>(count_size)},
      }
{}

FwCfg::Item& FwCfg::item(std::uint16_t key)
{
    return *std::ranges::find(items_, key, &Item::key);
}

void FwCfg::add_file(std::string_view name, std::vector<std::byte> content)
{
    auto& directory = item(directory_key).bytes;
    std::vector<std::byte> entry(entry_size);
    if (name.empty() || name.size() > longest_name) throw std::logic_error{"fw_cfg has no room for a file's name"};
    std::ranges::copy(std::as_bytes(std::span{name}), entry.begin() + name_offset);
    for (auto at = count_size; at < directory.size(); at += entry_size)
        if (std::ranges::equal(std::span{directory}.subspan(at + name_offset, entry_size - name_offset),
                               std::span{entry}.subspan(name_offset)))
            throw std::logic_error{"fw_cfg has that file already"};

    auto const key = static_cast<std::uint16_t>(first_file_key + files_);
    put_big_endian(std::span{entry}.first(sizeof(std::uint32_t)), content.size());
    put_big_endian(std::span{entry}.subspan(sizeof(std::uint32_t), sizeof key), key);
    directory.insert(directory.end(), entry.begin(), entry.end());
    put_big_endian(std::span{directory}.first(count_size), ++files_);
    items_.push_back({key, std::move(content)});
}

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
