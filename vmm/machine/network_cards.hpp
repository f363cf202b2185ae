/// A guest's network cards, from its options.
#pragma once

#include "devices/base/component.hpp"
#include "devices/vmbus/network/nic.hpp"
#include "hv/vmbus/channel.hpp"
#include "vmm/options/run_options.hpp"

#include <cstddef>
#include <memory>
#include <vector>

namespace vmm {

class NetworkCards final : public devices::Component {
  public:
    /// Offers them on the bus. Throws UserError for what the host has not.
    NetworkCards(GuestOptions const& options, hv::vmbus::Bus& bus);
    /// Waits until nothing uses guest memory any more.
    ~NetworkCards() override;

    void quiesce(hv::StillBusy busy) override;
    void resume() override;

    /// In the order of the options.
    [[nodiscard]] std::vector<std::shared_ptr<devices::network::Nic>> const& cards() const { return cards_; }

  private:
    std::vector<std::shared_ptr<devices::network::Nic>> cards_;
};

} // namespace vmm
