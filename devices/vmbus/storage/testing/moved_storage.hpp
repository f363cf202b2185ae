/// A storage controller that goes on in another one, over the same blocks.
#pragma once

#include "devices/block/testing/recording_backend.hpp"
#include "devices/vmbus/storage/storage_controller.hpp"
#include "devices/vmbus/storage/testing/storage_guest.hpp"
#include "hv/testing/catch.hpp"
#include "hv/testing/saved_state.hpp"

#include <algorithm>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

namespace devices::storage::testing {

class MovingStorage {
  public:
    static constexpr std::uint64_t disk_size = 4 << 20;

    explicit MovingStorage(HostSide host = {}) : host_{std::move(host)} { make(); }

    [[nodiscard]] StorageController& controller() { return *present_->controller; }
    [[nodiscard]] block::testing::RecordingBackend& backend() { return *present_->backend; }
    [[nodiscard]] OfferedDevices& bus() { return present_->bus; }

    /// A guest on that channel, which follows the device.
    [[nodiscard]] StorageGuest& open(std::size_t channel = 0)
    {
        guests_.resize(std::max(guests_.size(), channel + 1));
        guests_[channel] = std::make_unique<StorageGuest>(bus().devices.at(channel));
        return *guests_[channel];
    }

    void quiesce()
    {
        for (auto const& device : bus().devices)
            device->quiesce({});
        controller().quiesce({});
    }
    /// From one that is at rest to another one, which is still at rest then. Nothing more is heard of the former.
    void move()
    {
        std::vector<hv::testing::SavedState> saved(bus().devices.size());
        for (std::size_t i = 0; i < saved.size(); ++i)
            saved[i].save(*bus().devices[i]);
        auto former = std::move(present_);
        make();
        std::ranges::copy(former->backend->disk, backend().disk.begin());
        quiesce();
        for (std::size_t i = 0; i < saved.size(); ++i) {
            if (i != 0) bus().devices.push_back(bus().devices[0]->sub_channel(static_cast<std::uint16_t>(i)));
            auto const& device = bus().devices[i];
            REQUIRE(device);
            device->quiesce({});
            if (i < guests_.size() && guests_[i]) {
                guests_[i]->go_on_with(device);
                device->open(guests_[i]->channel);
            }
            saved[i].restore(*device);
        }
    }
    void resume()
    {
        controller().resume();
        auto const devices = bus().devices;
        for (auto const& device : devices)
            device->resume();
        bus().executor.crank();
    }
    void go_on_elsewhere()
    {
        quiesce();
        move();
        resume();
    }

  private:
    struct Host {
        OfferedDevices bus;
        std::optional<StorageController> controller;
        block::testing::RecordingBackend* backend = nullptr;
    };

    void make()
    {
        present_ = std::make_unique<Host>();
        present_->controller.emplace(present_->bus, 0, 3, host_);
        auto blocks = std::make_unique<block::testing::RecordingBackend>(
            block::Properties{.size = disk_size, .discard = true, .discard_zeroes = true});
        present_->backend = blocks.get();
        REQUIRE(controller().add(0, std::make_shared<Disk>(scsi::DeviceType::Disk, std::move(blocks), "serial")));
    }

    HostSide host_;
    std::unique_ptr<Host> present_;
    std::vector<std::unique_ptr<StorageGuest>> guests_;
};

} // namespace devices::storage::testing
