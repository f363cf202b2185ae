/// The disks of one guest, and the controllers that they hang on.
#pragma once

#include "devices/block/open_backend.hpp"
#include "devices/vmbus/storage/storage_controller.hpp"
#include "hv/base/inspect.hpp"
#include "hv/vmbus/channel.hpp"
#include "vmm/options/run_options.hpp"

#include <cstdint>
#include <functional>
#include <future>
#include <map>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <vector>

namespace vmm {

/// Callable from any thread.
class Disks {
  public:
    struct Place {
        unsigned controller;
        unsigned lun;
    };

    /// `cpus`: how many VPs there are to share the work. Throws UserError.
    Disks(hv::vmbus::Bus& bus, unsigned cpus, std::span<DiskOptions const> disks);
    Disks(Disks const&) = delete;
    Disks& operator=(Disks const&) = delete;
    /// Waits until no disk uses guest memory any more.
    ~Disks();

    /// Adds a disk, also while the guest runs: at the lowest free LUN of its controller. Throws UserError.
    Place add(DiskOptions const& options);
    /// The same on a thread of its own, because a server may take its time. `done` hears there where the disk is, or
    /// why there is none.
    void add_later(DiskOptions options, std::function<void(Place)> done, std::function<void(std::string)> failed);
    /// Takes it away from the guest, ready or not. Throws UserError when there is none.
    void remove(Place place);

    void inspect(hv::Inspector& inspector) const;

  private:
    [[nodiscard]] devices::storage::StorageController& controller(unsigned number);

    hv::vmbus::Bus& bus_;
    std::uint16_t const sub_channels_;
    mutable std::mutex mutex_;
    devices::block::BackendOpener opener_;
    std::map<unsigned, std::unique_ptr<devices::storage::StorageController>> controllers_;
    std::vector<std::future<void>> being_added_; ///< last: they use the others
};

} // namespace vmm
