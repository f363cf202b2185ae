#include "devices/pc/mmio_bus.hpp"

#include <algorithm>
#include <bit>
#include <cstring>

namespace devices {

namespace {

using Range = BusMap<MmioDevice>::Table::Range;

constexpr std::uint64_t widest = 8;

/// The size of the first part of an access to `count` bytes: as wide as its address allows.
unsigned part_size(std::uint64_t address, std::size_t count)
{
    auto const alignment = address == 0 ? widest : address & -address;
    return static_cast<unsigned>(std::bit_floor(std::min({widest, alignment, std::uint64_t{count}})));
}

/// The same, with no byte beyond the end of the range.
unsigned within(Range const& range, std::uint64_t address, unsigned size)
{
    return static_cast<unsigned>(std::bit_floor(std::min<std::uint64_t>(size, range.size - (address - range.first))));
}

/// Whether no device has any of these addresses: the range that begins nearest before the last would be the one.
bool is_nowhere(BusMap<MmioDevice> const& map, std::uint64_t first, std::uint64_t last)
{
    auto const range = map.find(last);
    return range.size == 0 || range.first > last || range.first + (range.size - 1) < first;
}

/// Calls `part(device, offset, bytes)` for each part that a device answers, in ascending order, and `nobody(byte)`
/// for each byte in between. False when there is no device at all.
template <typename Byte>
bool for_each_part(BusMap<MmioDevice> const& map, std::uint64_t address, std::span<Byte> data, auto const& part,
                   auto const& nobody)
{
    if (data.empty()) return false;
    if (is_nowhere(map, address, address + (data.size() - 1))) {
        for (auto& byte : data)
            nobody(byte);
        return false;
    }
    while (!data.empty()) {
        auto size = part_size(address, data.size());
        auto const range = map.find(address);
        if (range.contains(address)) {
            size = within(range, address, size);
            part(*range.target.device, address - range.target.base, data.first(size));
        } else {
            size = 1; // a range may begin at the next
            nobody(data.front());
        }
        address += size;
        data = data.subspan(size);
    }
    return true;
}

} // namespace

bool MmioBus::read(std::uint64_t address, std::span<std::byte> data) const
{
    auto const part = [](MmioDevice& device, std::uint64_t offset, std::span<std::byte> to) {
        auto const value = device.read(offset, static_cast<unsigned>(to.size()));
        std::memcpy(to.data(), &value, to.size()); // little-endian
    };
    return for_each_part(map_, address, data, part, [](std::byte& to) { to = std::byte{0xFF}; });
}

bool MmioBus::write(std::uint64_t address, std::span<std::byte const> data) const
{
    auto const part = [](MmioDevice& device, std::uint64_t offset, std::span<std::byte const> from) {
        std::uint64_t value = 0;
        std::memcpy(&value, from.data(), from.size());
        device.write(offset, static_cast<unsigned>(from.size()), value);
    };
    return for_each_part(map_, address, data, part, [](std::byte const&) {});
}

} // namespace devices
