#include "devices/vmbus/storage/storage_controller.hpp"

#include "hv/base/inspect.hpp"

#include <algorithm>
#include <string>

namespace devices::storage {

namespace {

/// The last byte is the controller's number.
hv::vmbus::Guid instance_of(std::uint8_t number)
{
    auto guid = hv::vmbus::guid("5c1dcb4a-8e57-4f6a-9d0b-70f2a4c1d500");
    guid.bytes[15] = number;
    return guid;
}

} // namespace

StorageController::StorageController(hv::vmbus::Bus& bus, std::uint8_t number, std::uint16_t max_sub_channels,
                                     HostSide host)
    : state_{new ControllerState{bus, instance_of(number), max_sub_channels, std::move(host)}},
      sub_channels_{std::make_shared<SubChannels>()},
      primary_{std::make_shared<StorageChannel>(state_, [state = std::weak_ptr{state_}, made = sub_channels_] {
          return make_sub_channel(state.lock(), *made);
      })}
{
    bus.offer(state_->offer(0), primary_);
}

/// For the primary channel, which keeps the state.
std::shared_ptr<StorageChannel> StorageController::make_sub_channel(std::shared_ptr<ControllerState> state,
                                                                    SubChannels& sub_channels)
{
    auto sub_channel = std::make_shared<StorageChannel>(std::move(state), nullptr);
    auto const made = sub_channels.lock();
    std::erase_if(*made, [](auto const& other) { return other.expired(); });
    made->push_back(sub_channel);
    return sub_channel;
}

StorageController::~StorageController()
{
    if (!ended_) (void)end(std::chrono::seconds{10});
}

std::size_t StorageController::end(std::chrono::milliseconds patience)
{
    auto const deadline = std::chrono::steady_clock::now() + patience;
    ended_ = true;
    state_->bus.withdraw(state_->instance);
    for (auto const lun : state_->units.luns())
        if (auto const disk = state_->units.remove(lun)) disk->backend->stop();
    auto left = primary_->stop(deadline);
    auto const sub_channels = *sub_channels_->lock(); // which wait for backends
    for (auto const& weak : sub_channels)
        if (auto const sub_channel = weak.lock()) left += sub_channel->stop(deadline);
    return left;
}

std::optional<std::size_t> StorageController::free_place() const
{
    for (std::size_t lun = 0; lun < max_units; ++lun)
        if (!state_->units.at(lun)) return lun;
    return std::nullopt;
}

hv::vmbus::Guid const& StorageController::instance() const
{
    return state_->instance;
}

std::vector<std::uint8_t> StorageController::luns() const
{
    return state_->units.luns();
}

std::shared_ptr<Disk> StorageController::disk(std::size_t lun) const
{
    return state_->units.at(lun);
}

bool StorageController::add(std::size_t lun, std::shared_ptr<Disk> disk)
{
    {
        auto const disks = disks_.lock();
        std::erase_if(*disks, [](auto const& other) { return other.expired(); });
        disks->push_back(disk);
    }
    if (lun >= max_units || !state_->units.add(lun, std::move(disk))) return false;
    primary_->units_changed();
    return true;
}

bool StorageController::remove(std::size_t lun)
{
    auto const disk = lun < max_units ? state_->units.remove(lun) : nullptr;
    if (!disk) return false;
    disk->backend->stop();
    primary_->units_changed();
    return true;
}

template <typename Call>
void StorageController::for_each_backend(Call const& call)
{
    auto const disks = disks_.lock();
    for (auto const& weak : *disks)
        if (auto const disk = weak.lock()) call(*disk->backend);
}

void StorageController::quiesce(hv::StillBusy const& busy)
{
    for_each_backend([&](block::Backend& backend) { backend.quiesce(busy); });
}

void StorageController::resume()
{
    for_each_backend([](block::Backend& backend) { backend.resume(); });
}

void StorageController::inspect(hv::Inspector& inspector) const
{
    for (auto const lun : state_->units.luns()) {
        auto const disk = state_->units.at(lun);
        if (!disk) continue;
        hv::InspectedNode const node{inspector, std::to_string(lun)};
        auto const& properties = disk->backend->properties();
        inspector.number("size", properties.size);
        inspector.flag("read_only", properties.read_only);
        inspector.flag("dvd", disk->unit.type() == scsi::DeviceType::Disc);
        inspector.text("serial", disk->unit.serial());
        disk->backend->inspect(inspector);
    }
}

} // namespace devices::storage
