/// The units of a controller, which come and go while its channels use them.
#pragma once

#include "devices/base/guarded.hpp"
#include "devices/vmbus/storage/disk.hpp"

#include <array>
#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

namespace devices::storage {

/// Where a unit is, on path 0 and target 0.
inline constexpr std::size_t max_units = 64;

class Units {
  public:
    [[nodiscard]] std::shared_ptr<Disk> at(std::size_t lun) const
    {
        return lun < max_units ? (*units_.lock())[lun] : nullptr;
    }
    /// False when the place is taken.
    [[nodiscard]] bool add(std::size_t lun, std::shared_ptr<Disk> disk)
    {
        auto const units = units_.lock();
        auto& place = (*units)[lun];
        if (place) return false;
        place = std::move(disk);
        return true;
    }
    /// What was there.
    std::shared_ptr<Disk> remove(std::size_t lun) { return std::exchange((*units_.lock())[lun], nullptr); }
    [[nodiscard]] std::vector<std::uint8_t> luns() const
    {
        auto const units = units_.lock();
        std::vector<std::uint8_t> out;
        for (std::size_t lun = 0; lun < max_units; ++lun)
            if ((*units)[lun]) out.push_back(static_cast<std::uint8_t>(lun));
        return out;
    }

  private:
    Guarded<std::array<std::shared_ptr<Disk>, max_units>, LockRank::Leaf> units_;
};

} // namespace devices::storage
