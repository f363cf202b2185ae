#include "vmm/machine/disks.hpp"

#include "vmm/base/log.hpp"
#include "vmm/base/user_error.hpp"

#include <spdlog/fmt/fmt.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <chrono>
#include <string_view>
#include <utility>

namespace vmm {

namespace {

/// As many channels as Linux expects (drivers/scsi/storvsc_drv.c, storvsc_vcpus_per_sub_channel): one for four VPs.
std::uint16_t sub_channels_for(unsigned cpus)
{
    constexpr unsigned cpus_for_each = 4;
    return static_cast<std::uint16_t>((cpus - 1) / cpus_for_each);
}

/// The same for an image whenever it is used: FNV-1a of its name.
std::string serial_of(std::string_view image)
{
    std::uint64_t hash = 0xCBF2'9CE4'8422'2325;
    for (auto const c : image)
        hash = (hash ^ static_cast<std::uint8_t>(c)) * 0x100'0000'01B3;
    return fmt::format("{:016x}", hash);
}

std::shared_ptr<devices::storage::Disk> open(devices::block::BackendOpener& opener, DiskOptions const& options)
{
    auto const block_size = options.dvd ? devices::scsi::disc_block_size : devices::scsi::disk_block_size;
    auto const type = options.dvd ? devices::scsi::DeviceType::Disc : devices::scsi::DeviceType::Disk;
    try {
        return std::make_shared<devices::storage::Disk>(
            type, opener.open(options.image, options.read_only || options.dvd, block_size),
            options.serial.empty() ? serial_of(options.image) : options.serial);
    } catch (devices::block::OpenError const& error) {
        throw UserError{error.what()};
    }
}

} // namespace

Disks::Disks(hv::vmbus::Bus& bus, unsigned cpus, std::span<DiskOptions const> disks)
    : bus_{bus}, sub_channels_{sub_channels_for(cpus)}, opener_{[](auto const& text) { spdlog::warn("{}", text); }}
{
    // A guest finds controllers in the order in which they are offered.
    for (unsigned number = 0; number < DiskOptions::max_controllers; ++number)
        if (std::ranges::count(disks, number, &DiskOptions::controller) != 0) (void)controller(number);
    for (auto const& options : disks)
        add(options);
}

Disks::~Disks() = default;

Disks::Place Disks::add(DiskOptions const& options)
{
    auto disk = open(opener_, options); // may take its time
    auto const lock = std::lock_guard{mutex_};
    auto& owner = controller(options.controller);
    auto const lun = owner.free_place();
    if (!lun || !owner.add(*lun, std::move(disk))) {
        throw UserError{fmt::format("controller {} has {} disks, and no place for '{}': name another controller",
                                    options.controller, devices::storage::max_units, options.image)};
    }
    return {options.controller, static_cast<unsigned>(*lun)};
}

void Disks::add_later(DiskOptions options, std::function<void(Place)> done, std::function<void(std::string)> failed)
{
    auto const work = [this, options = std::move(options), done = std::move(done), failed = std::move(failed)] {
        try {
            done(add(options));
        } catch (UserError const& error) {
            failed(error.what());
        }
    };
    auto const lock = std::lock_guard{mutex_};
    std::erase_if(being_added_, [](auto const& other) {
        return other.wait_for(std::chrono::seconds{0}) == std::future_status::ready;
    });
    being_added_.push_back(std::async(std::launch::async, work));
}

void Disks::remove(Place place)
{
    auto const lock = std::lock_guard{mutex_};
    auto const found = controllers_.find(place.controller);
    if (found == controllers_.end() || !found->second->remove(place.lun))
        throw UserError{fmt::format("there is no disk {} on controller {}", place.lun, place.controller)};
}

devices::storage::StorageController& Disks::controller(unsigned number)
{
    auto& there = controllers_[number];
    if (!there) {
        there = std::make_unique<devices::storage::StorageController>(bus_, static_cast<std::uint8_t>(number),
                                                                      sub_channels_);
    }
    return *there;
}

void Disks::inspect(hv::Inspector& inspector) const
{
    hv::InspectedNode const disks{inspector, "disks"};
    auto const lock = std::lock_guard{mutex_};
    for (auto const& [number, controller] : controllers_) {
        hv::InspectedNode const node{inspector, std::to_string(number)};
        controller->inspect(inspector);
    }
}

} // namespace vmm
