#include "vmm/machine/disks.hpp"

#include "devices/base/background_call.hpp"
#include "devices/base/guarded_thread.hpp"
#include "vmm/base/log.hpp"
#include "vmm/base/user_error.hpp"

#include <spdlog/fmt/fmt.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <string_view>
#include <system_error>
#include <utility>

namespace vmm {

namespace {

using namespace std::chrono_literals;

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

constexpr devices::Patience opening_patience{.limit = 20s, .after_stop = 1s};
constexpr devices::Patience serving_patience{.limit = 60s, .after_stop = 1s}; ///< two programs start for it

using Disk = std::shared_ptr<devices::storage::Disk>;

/// Throws std::exception with one line.
Disk open(devices::block::BackendOpener& opener, DiskOptions const& options, std::stop_token stop)
{
    auto const block_size = options.dvd ? devices::scsi::disc_block_size : devices::scsi::disk_block_size;
    auto const type = options.dvd ? devices::scsi::DeviceType::Disc : devices::scsi::DeviceType::Disk;
    return std::make_shared<devices::storage::Disk>(type,
                                                    opener.open({.image = options.image,
                                                                 .read_only = options.read_only || options.dvd,
                                                                 .block_size = block_size,
                                                                 .format = options.format(),
                                                                 .told = options.told_format.has_value(),
                                                                 .backing = options.backing},
                                                                std::move(stop)),
                                                    options.serial.empty() ? serial_of(options.image)
                                                                           : options.serial);
}

/// Not on the caller's thread, which is the one that ends guests. Throws UserError.
Disk open_in_time(std::shared_ptr<devices::block::BackendOpener> opener, DiskOptions const& options,
                  std::stop_token const& stop)
{
    bool const served = options.format() != devices::block::ImageFormat::Raw;
    try {
        auto disk = devices::call_in_background(
            stop, served ? serving_patience : opening_patience,
            [opener = std::move(opener), options, stop] { return open(*opener, options, stop); });
        if (disk) return std::move(*disk);
    } catch (std::exception const& error) {
        throw UserError{error.what()};
    }
    throw UserError{fmt::format("disk '{}' cannot be opened: {}", options.image,
                                stop.stop_requested() ? "stopped"
                                : served              ? "its file system, or its qemu-nbd, does not answer"
                                                      : "its file system does not answer")};
}

} // namespace

/// Disks whose images are being opened. Its threads keep it alive, and the guest's disks may end meanwhile.
class Disks::Additions {
  public:
    using Done = std::function<void(Place)>;
    using Failed = std::function<void(std::string)>;

    explicit Additions(Disks& disks) : disks_{disks} {}

    [[nodiscard]] std::stop_token stop() const { return stop_.get_token(); }

    [[nodiscard]] std::uint64_t begin(Done done, Failed failed)
    {
        auto const lock = std::lock_guard{mutex_};
        waiting_.emplace(++last_, Callbacks{std::move(done), std::move(failed)});
        return last_;
    }

    /// The image is open, or there is an error. Nothing when nobody waits for it any more.
    void opened(std::uint64_t number, DiskOptions const& options, Disk disk, std::string const& error)
    {
        Callbacks callbacks;
        {
            auto const lock = std::lock_guard{mutex_};
            auto const found = waiting_.find(number);
            if (found == waiting_.end()) return;
            callbacks = std::move(found->second);
            waiting_.erase(found);
            ++ending_;
        }
        devices::contain(
            [&] {
                if (!error.empty()) return callbacks.failed(error);
                callbacks.done(disks_.add(options, std::move(disk)));
            },
            [&](char const* what) { callbacks.failed(what); });
        auto const lock = std::lock_guard{mutex_};
        --ending_;
        some_ended_.notify_all();
    }

    /// Waits a moment for those that can be stopped, and forgets the others.
    void end()
    {
        stop_.request_stop();
        std::map<std::uint64_t, Callbacks> forgotten;
        auto lock = std::unique_lock{mutex_};
        some_ended_.wait_for(lock, opening_patience.after_stop, [this] { return waiting_.empty() && ending_ == 0; });
        forgotten.swap(waiting_);
        some_ended_.wait(lock, [this] { return ending_ == 0; });
    }

  private:
    struct Callbacks {
        Done done;
        Failed failed;
    };

    Disks& disks_; ///< for those that are waited for
    std::stop_source stop_;
    std::mutex mutex_;
    std::condition_variable some_ended_;
    std::map<std::uint64_t, Callbacks> waiting_;
    std::uint64_t last_ = 0;
    unsigned ending_ = 0;
};

Disks::Disks(hv::vmbus::Bus& bus, unsigned cpus, std::span<DiskOptions const> disks,
             std::shared_ptr<void const> guest_ram, std::stop_token stop)
    : bus_{bus},
      sub_channels_{sub_channels_for(cpus)},
      stop_{std::move(stop)},
      host_{.guest_ram = std::move(guest_ram), .notice = [](auto const& text) { spdlog::warn("{}", text); }},
      opener_{std::make_shared<devices::block::BackendOpener>([](auto const& text) { spdlog::warn("{}", text); },
                                                              host_.io_memory)},
      additions_{std::make_shared<Additions>(*this)}
{
    // A guest finds controllers in the order in which they are offered.
    for (unsigned number = 0; number < DiskOptions::max_controllers; ++number)
        if (std::ranges::count(disks, number, &DiskOptions::controller) != 0) (void)controller(number);
    for (auto const& options : disks) {
        auto const place = add(options, open_in_time(opener_, options, stop_));
        if (options.boot_index) boot_indices_.emplace(std::pair{place.controller, place.lun}, *options.boot_index);
    }
}

Disks::~Disks()
{
    additions_->end();
    resume(); // what waits in backends ends too
    auto const patience = stop_.stop_requested() ? 2s : 10s;
    for (auto const& [number, controller] : controllers_) {
        if (auto const left = controller->end(patience); left != 0) {
            spdlog::warn("{} commands of disks do not end, because the host's file system does not answer: they keep "
                         "their images, and the guest's memory, until it does",
                         left);
        }
    }
}

Disks::Place Disks::add(DiskOptions const& options, Disk disk)
{
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
    auto const number = additions_->begin(std::move(done), std::move(failed));
    auto const work = [additions = additions_, opener = opener_, number, options = std::move(options)] {
        Disk disk;
        auto const failure = [&](char const* what) { additions->opened(number, options, nullptr, what); };
        if (devices::contain([&] { disk = open(*opener, options, additions->stop()); }, failure))
            additions->opened(number, options, std::move(disk), {});
    };
    try {
        devices::guarded_thread(devices::ThreadRole::Opener, work, [](char const*) {}).detach();
    } catch (std::system_error const& error) {
        additions_->opened(number, {}, nullptr, error.what());
    }
}

void Disks::remove(Place place)
{
    auto const lock = std::lock_guard{mutex_};
    auto const found = controllers_.find(place.controller);
    if (found == controllers_.end() || !found->second->remove(place.lun))
        throw UserError{fmt::format("there is no disk {} on controller {}", place.lun, place.controller)};
}

std::vector<devices::firmware::BootUnit> Disks::boot_units() const
{
    auto const lock = std::lock_guard{mutex_};
    std::vector<devices::firmware::BootUnit> units;
    for (auto const& [number, controller] : controllers_) {
        for (auto const lun : controller->luns()) {
            auto const index = boot_indices_.find({number, lun});
            units.push_back({controller->instance().bytes, lun, controller->disk(lun),
                             index == boot_indices_.end() ? 0 : index->second + 1});
        }
    }
    return units;
}

void Disks::quiesce(hv::StillBusy busy)
{
    auto const lock = std::lock_guard{mutex_};
    for (auto const& [number, controller] : controllers_)
        controller->quiesce(busy);
}

void Disks::resume()
{
    auto const lock = std::lock_guard{mutex_};
    for (auto const& [number, controller] : controllers_)
        controller->resume();
}

devices::storage::StorageController& Disks::controller(unsigned number)
{
    auto& there = controllers_[number];
    if (!there) {
        there = std::make_unique<devices::storage::StorageController>(bus_, static_cast<std::uint8_t>(number),
                                                                      sub_channels_, host_);
    }
    return *there;
}

void Disks::inspect(hv::Inspector& inspector) const
{
    hv::InspectedNode const disks{inspector, "disks"};
    host_.io_memory->inspect(inspector);
    auto const lock = std::lock_guard{mutex_};
    for (auto const& [number, controller] : controllers_) {
        hv::InspectedNode const node{inspector, std::to_string(number)};
        controller->inspect(inspector);
    }
}

} // namespace vmm
