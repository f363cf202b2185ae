/// The units of a controller, which come and go while its channels use them.
#pragma once

#include "devices/vmbus/storage/disk.hpp"

#include <array>
#include <cstdint>
#include <memory>
#include <mutex>
#include <vector>

namespace devices::storage {

/// Where a unit is, on path 0 and target 0.
inline constexpr std::size_t max_units = 64;

class Units {
  public:
    [[nodiscard]] std::shared_ptr<Disk> at(std::size_t lun) const
    {
        auto const lock = std::lock_guard{mutex_};
        return lun < max_units ? units_[lun] : nullptr;
    }
    /// False when the place is taken.
    [[nodiscard]] bool add(std::size_t lun, std::shared_ptr<Disk> disk)
    {
        auto const lock = std::lock_guard{mutex_};
        if (units_[lun]) return false;
        units_[lun] = std::move(disk);
        return true;
    }
    /// What was there.
    std::shared_ptr<Disk> remove(std::size_t lun)
    {
        auto const lock = std::lock_guard{mutex_};
        return std::exchange(units_[lun], nullptr);
    }
    [[nodiscard]] std::vector<std::uint8_t> luns() const
    {
        auto const lock = std::lock_guard{mutex_};
        std::vector<std::uint8_t> out;
        for (std::size_t lun = 0; lun < max_units; ++lun)
            if (units_[lun]) out.push_back(static_cast<std::uint8_t>(lun));
        return out;
    }

  private:
    mutable std::mutex mutex_;
    std::array<std::shared_ptr<Disk>, max_units> units_;
};

} // namespace devices::storage
