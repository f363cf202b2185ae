/// Decodes the guest-physical addresses of one machine behind which there is no memory: which device answers where.
#pragma once

#include "devices/pc/bus_map.hpp"

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

namespace devices {

/// Registers in memory. Both calls come from vCPU threads, several at once: a device guards its own state. `offset`
/// counts from the first address of its range; `size` is 1, 2, 4 or 8 bytes, and the address is a multiple of it.
class MmioDevice {
  public:
    MmioDevice() = default;
    MmioDevice(MmioDevice const&) = delete;
    MmioDevice& operator=(MmioDevice const&) = delete;
    virtual ~MmioDevice() = default;

    [[nodiscard]] virtual std::uint64_t read(std::uint64_t offset, unsigned size) = 0;
    virtual void write(std::uint64_t offset, unsigned size, std::uint64_t value) = 0;
};

/// A device whose registers are four bytes wide, as on a PCI bus of 32 bits: eight bytes are two accesses, the lower
/// half first.
class DwordMmio : public MmioDevice {
  public:
    [[nodiscard]] std::uint64_t read(std::uint64_t offset, unsigned size) final
    {
        if (size < 8) return read_dword(offset, size);
        auto const low = read_dword(offset, 4);
        return low | std::uint64_t{read_dword(offset + 4, 4)} << 32;
    }
    void write(std::uint64_t offset, unsigned size, std::uint64_t value) final
    {
        write_dword(offset, size < 8 ? size : 4, static_cast<std::uint32_t>(value));
        if (size == 8) write_dword(offset + 4, 4, static_cast<std::uint32_t>(value >> 32));
    }

  private:
    /// All of it lies in one aligned dword.
    [[nodiscard]] virtual std::uint32_t read_dword(std::uint64_t offset, unsigned size) = 0;
    virtual void write_dword(std::uint64_t offset, unsigned size, std::uint32_t value) = 0;
};

class MmioBus {
  public:
    using Window = BusMap<MmioDevice>::Window;

    /// Claims a range for good. The device must outlive the bus. Throws std::logic_error, which names both owners,
    /// when another device has claimed part of it. `size` is not 0.
    void map(std::uint64_t first, std::uint64_t size, MmioDevice& device, std::string owner)
    {
        map_.claim(first, size, device, std::move(owner));
    }

    /// A range that the guest moves, such as a BAR's: see BusMap.
    [[nodiscard]] Window window(unsigned number, MmioDevice& device) { return map_.window(number, device); }

    /// An access of a processor, at any address, of any size: devices get it in parts whose addresses are multiples
    /// of their sizes, as a bus brings them, and no part belongs to two of them. Bytes of no device read as all ones.
    /// From any thread. False when no device was concerned.
    bool read(std::uint64_t address, std::span<std::byte> data) const;
    bool write(std::uint64_t address, std::span<std::byte const> data) const;

  private:
    BusMap<MmioDevice> map_;
};

} // namespace devices
