/// A disk behind a controller: the commands that it knows, and where its blocks are.
#pragma once

#include "devices/block/backend.hpp"
#include "devices/scsi/logical_unit.hpp"

#include <cstdint>
#include <memory>
#include <string>
#include <utility>

namespace devices::storage {

/// The most that a command moves. Guests are told, and split what is larger.
inline constexpr std::uint64_t max_transfer = 4ULL << 20;

class Disk {
  public:
    Disk(scsi::DeviceType type, std::unique_ptr<block::Backend> blocks, std::string serial)
        : unit{type, blocks->properties(), std::move(serial), {.max_transfer = max_transfer}},
          backend{std::move(blocks)}
    {}

    scsi::LogicalUnit const unit;
    std::unique_ptr<block::Backend> const backend;
};

} // namespace devices::storage
