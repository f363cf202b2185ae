/// A synthetic SCSI controller and its disks (Linux: hv_storvsc).
#pragma once

#include "devices/base/guarded.hpp"
#include "devices/vmbus/storage/storage_channel.hpp"

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

namespace devices::storage {

class StorageController {
  public:
    /// Offers it on the bus. `number`, below 256, makes it the same controller each time that a guest boots.
    StorageController(hv::vmbus::Bus& bus, std::uint8_t number, std::uint16_t max_sub_channels, HostSide host = {});
    StorageController(StorageController const&) = delete;
    StorageController& operator=(StorageController const&) = delete;
    /// Ends it, if nobody has, and gives what is under way ten seconds.
    ~StorageController();

    /// Withdraws it, and waits until nothing of it uses the guest's memory any more, which takes no time for NBD
    /// servers. Returns how many commands are under way still: a file system does not answer. They keep the guest's
    /// RAM, and their images, until it does. Nothing else is called after it.
    std::size_t end(std::chrono::milliseconds patience);

    /// The lowest free place; nothing when all are taken.
    [[nodiscard]] std::optional<std::size_t> free_place() const;
    /// Adds a disk, also while the guest runs, which is told. False when the place is taken.
    [[nodiscard]] bool add(std::size_t lun, std::shared_ptr<Disk> disk);
    [[nodiscard]] hv::vmbus::Guid const& instance() const;
    /// Where disks are at the moment, ascending.
    [[nodiscard]] std::vector<std::uint8_t> luns() const;
    /// What is there; nullptr for nothing.
    [[nodiscard]] std::shared_ptr<Disk> disk(std::size_t lun) const;
    /// Takes a disk away from the guest; what it has under way there is answered soon. False when there is none.
    [[nodiscard]] bool remove(std::size_t lun);

    /// The backends of its disks, also of those that were taken away and have something under way still. The channels
    /// are quiesced by the bus.
    void quiesce(hv::StillBusy const& busy);
    void resume();

    void inspect(hv::Inspector& inspector) const;

  private:
    /// Sub-channels that may be alive; the bus has them.
    using SubChannels = Guarded<std::vector<std::weak_ptr<StorageChannel>>, LockRank::Leaf>;
    /// Those that were taken away and have something under way among them.
    using Disks = Guarded<std::vector<std::weak_ptr<Disk>>, LockRank::Controller>;

    template <typename Call>
    void for_each_backend(Call const& call);
    [[nodiscard]] static std::shared_ptr<StorageChannel> make_sub_channel(std::shared_ptr<ControllerState> state,
                                                                          SubChannels& sub_channels);

    std::shared_ptr<ControllerState> const state_;
    std::shared_ptr<SubChannels> const sub_channels_;
    std::shared_ptr<StorageChannel> const primary_;
    Disks disks_;
    bool ended_ = false;
};

} // namespace devices::storage
