/// By what Porthole's EFI driver sends and receives frames before the guest's operating system does by VMBus.
#pragma once

#include "devices/firmware/network_protocol.hpp"
#include "devices/net/firmware_port.hpp"
#include "devices/pc/mmio_bus.hpp"
#include "hv/base/guest_memory.hpp"
#include "hv/base/state.hpp"

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

namespace devices::firmware {

/// A network card, and where on VMBus it is.
struct BootCard {
    net::MacAddress mac{};
    std::array<std::uint8_t, 16> instance{};
    std::shared_ptr<net::FirmwarePort> port;
    std::function<bool()> link_up = [] { return true; }; ///< from any thread
    std::uint32_t place = 0; ///< among those to boot from, the lowest first; 0: it has none
};

/// The registers of network_protocol.hpp. A frame is copied once, out of the guest's RAM or into it; what is in it is
/// the backend's matter, as with any driver's.
class NetworkMailbox final : public DwordMmio {
  public:
    /// `memory` outlives it. At most network::most_cards.
    NetworkMailbox(hv::GuestMemory const& memory, std::vector<BootCard> cards);

    /// What the driver has written; frames on their way are lost.
    void visit(hv::StateVisitor& visitor);

  private:
    struct Card {
        explicit Card(BootCard of) : what{std::move(of)} {}

        BootCard const what;
        std::atomic<std::uint64_t> address{0};
        std::atomic<bool> sent{false}; ///< the last one
    };

    [[nodiscard]] std::uint32_t read_dword(std::uint64_t offset, unsigned size) override;
    void write_dword(std::uint64_t offset, unsigned size, std::uint32_t value) override;
    [[nodiscard]] Card* card_of(std::uint64_t offset) const;
    [[nodiscard]] static std::uint32_t read_register(Card const& card, std::uint64_t offset);
    [[nodiscard]] std::uint32_t receive(Card& card) const;
    [[nodiscard]] bool send(Card& card, std::uint32_t size) const;

    hv::GuestMemory const& memory_;
    std::vector<std::unique_ptr<Card>> cards_;
};

} // namespace devices::firmware
