/// A guest's network cards, from its options.
#pragma once

#include "devices/base/component.hpp"
#include "devices/firmware/network_mailbox.hpp"
#include "devices/net/frame_backend.hpp"
#include "devices/vmbus/network/nic.hpp"
#include "hv/vmbus/channel.hpp"
#include "vmm/options/run_options.hpp"

#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace vmm {

/// Starts the user-mode network of a guest's card, which counts from 0. `warn` gets lines for the log, on the
/// network's thread. Throws std::exception with one line that says what to do.
using StartUserNetwork = std::function<std::unique_ptr<devices::net::FrameBackend>(
    std::size_t card, std::function<void(std::string const&)> warn)>;

class NetworkCards final : public devices::Component {
  public:
    /// Offers them on the bus. Throws UserError for what the host has not.
    NetworkCards(GuestOptions const& options, StartUserNetwork const& start_user_network, hv::vmbus::Bus& bus);
    /// Waits until nothing uses guest memory any more.
    ~NetworkCards() override;

    void quiesce(hv::StillBusy busy) override;
    void resume() override;

    /// In the order of the options.
    [[nodiscard]] std::vector<std::shared_ptr<devices::network::Nic>> const& cards() const { return cards_; }
    /// As the guest's firmware is to see them; none for a guest that starts without one.
    [[nodiscard]] std::vector<devices::firmware::BootCard> const& boot_cards() const { return boot_cards_; }

  private:
    void lend(std::unique_ptr<devices::net::FrameBackend>& backend, NetOptions const& net,
              devices::network::Nic::Config const& config);

    std::vector<std::shared_ptr<devices::network::Nic>> cards_;
    std::vector<devices::firmware::BootCard> boot_cards_;
};

} // namespace vmm
