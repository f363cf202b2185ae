/// The disks of one guest, and the controllers that they hang on.
#pragma once

#include "devices/base/component.hpp"
#include "devices/block/open_backend.hpp"
#include "devices/firmware/block_mailbox.hpp"
#include "devices/vmbus/storage/storage_controller.hpp"
#include "hv/base/inspect.hpp"
#include "hv/vmbus/channel.hpp"
#include "vmm/options/run_options.hpp"

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <span>
#include <stop_token>
#include <string>
#include <utility>
#include <vector>

namespace vmm {

/// Callable from any thread.
class Disks final : public devices::Component {
  public:
    struct Place {
        unsigned controller;
        unsigned lun;
    };

    /// `cpus`: how many VPs there are to share the work. `guest_ram` keeps the guest's RAM for what outlives the
    /// guest. `stop` ends the waiting for servers; what is under way at the end gets less time after it. Throws
    /// UserError.
    Disks(hv::vmbus::Bus& bus, unsigned cpus, std::span<DiskOptions const> disks,
          std::shared_ptr<void const> guest_ram, std::stop_token stop);
    /// Waits until no disk uses guest memory any more, but not for ever: what a file system does not answer goes on
    /// without the guest, and keeps its RAM. Waits a moment for what is being added.
    ~Disks() override;

    /// Adds a disk, also while the guest runs: at the lowest free LUN of its controller. Its image is opened on a
    /// thread of its own, because a server may take its time. `done` hears there where the disk is, or `failed` why
    /// there is none. When this object ends first, they hear nothing, but end themselves.
    void add_later(DiskOptions options, std::function<void(Place)> done, std::function<void(std::string)> failed);
    /// Takes it away from the guest, ready or not. Throws UserError when there is none.
    void remove(Place place);

    /// Those that are there at the moment, for the guest's firmware: by controller and LUN.
    [[nodiscard]] std::vector<devices::firmware::BootUnit> boot_units() const;

    void quiesce(hv::StillBusy busy) override;
    void resume() override;

    void inspect(hv::Inspector& inspector) const;

  private:
    class Additions;

    Place add(DiskOptions const& options, std::shared_ptr<devices::storage::Disk> disk);
    [[nodiscard]] devices::storage::StorageController& controller(unsigned number);

    hv::vmbus::Bus& bus_;
    std::uint16_t const sub_channels_;
    std::stop_token const stop_;
    devices::storage::HostSide const host_;
    std::shared_ptr<devices::block::BackendOpener> const opener_;
    mutable std::mutex mutex_;
    std::map<unsigned, std::unique_ptr<devices::storage::StorageController>> controllers_;
    /// By controller and unit; not of disks that are added later.
    std::map<std::pair<unsigned, unsigned>, unsigned> boot_indices_;
    std::shared_ptr<Additions> const additions_; ///< under way
};

} // namespace vmm
