/// A guest's VMBus and the devices on it.
#pragma once

#include "devices/base/component.hpp"
#include "hv/partition/partition.hpp"
#include "hv/vmbus/server.hpp"
#include "vmm/machine/asio_executor.hpp"
#include "vmm/machine/disks.hpp"
#include "vmm/machine/display.hpp"
#include "vmm/machine/guest_balloon.hpp"
#include "vmm/machine/guest_services.hpp"
#include "vmm/machine/guest_sockets.hpp"
#include "vmm/machine/network_cards.hpp"
#include "vmm/options/run_options.hpp"

#include <boost/asio/io_context.hpp>

#include <memory>
#include <optional>
#include <stop_token>

namespace vmm {

class VmbusDevices final : public devices::Component {
  public:
    struct World {
        boost::asio::io_context& io;
        std::shared_ptr<PcMemory> memory; ///< its RAM is kept for disks' commands that do not end with the guest
        std::stop_token opening;          ///< stops the waiting for disks' servers
        StartUserNetwork const& start_user_network;
        Display* display;                         ///< or nullptr
        devices::vmbus::Video::Place place_video; ///< where there is a display
    };

    /// Offers the devices that the options ask for. Throws UserError for what the host has not, std::runtime_error
    /// when the guest's pool is too small.
    VmbusDevices(World world, std::shared_ptr<hv::Partition> partition, GuestOptions const& options);
    /// With the guest's VPs stopped and after detach(). Waits until no device uses guest memory any more.
    ~VmbusDevices() override;

    /// No handler on the io_context uses the bus any more. Called on it, or when it has stopped.
    void detach();

    /// The devices, their backends, and the bus itself.
    void quiesce(hv::StillBusy busy) override;
    void resume() override;

    /// On the io_context.
    void inspect(hv::Inspector& inspector) const;

    /// Where the devices' tasks run.
    [[nodiscard]] std::shared_ptr<hv::vmbus::Executor> executor() const { return executor_; }
    [[nodiscard]] Disks& disks() { return disks_; }
    [[nodiscard]] GuestServices& services() { return services_; }
    /// nullptr when the guest's memory is fixed.
    [[nodiscard]] GuestBalloon* balloon() { return balloon_ ? &*balloon_ : nullptr; }
    [[nodiscard]] NetworkCards const& network() const { return *network_; }

  private:
    template <typename Call>
    void for_each_component(Call const& call);

    std::shared_ptr<AsioExecutor> const executor_;
    hv::vmbus::Server bus_;
    /// Where a device cannot be made nobody has called detach(), and what those before it had the bus do goes on.
    struct EndOfTasks {
        ~EndOfTasks() { executor.end(); }
        AsioExecutor& executor;
    } const end_of_tasks_;
    Disks disks_;
    GuestServices services_;
    std::optional<DisplayDevices> display_;
    std::optional<GuestBalloon> balloon_;
    std::optional<GuestSockets> sockets_;
    std::optional<NetworkCards> network_;
};

} // namespace vmm
