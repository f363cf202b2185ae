#include "vmm/machine/network_cards.hpp"

#include "devices/base/os_error.hpp"
#include "devices/net/lent_backend.hpp"
#include "devices/net/tap.hpp"
#include "vmm/base/log.hpp"
#include "vmm/base/user_error.hpp"

#include <algorithm>
#include <exception>
#include <fstream>
#include <string>

namespace vmm {

namespace {

/// A text of this machine's own, so that guests of the same name on two machines have different addresses. Read once:
/// a restarted guest is built where no file can be opened.
std::string const& machine_id()
{
    static auto const id = [] {
        std::ifstream file{"/etc/machine-id"};
        std::string line;
        std::getline(file, line);
        return line;
    }();
    return id;
}

devices::net::MacAddress mac_of(NetOptions const& net, std::string const& guest, std::size_t index)
{
    if (net.mac) return *net.mac;
    return devices::net::derive_mac_address(machine_id() + "/" + guest + "/" + net.tap + "/" + std::to_string(index));
}

std::unique_ptr<devices::net::FrameBackend> backend_of(NetOptions const& net, std::size_t index,
                                                       StartUserNetwork const& start_user_network,
                                                       std::string const& designation, unsigned channels)
{
    try {
        auto const warn = [designation](std::string const& text) { spdlog::warn("{}: {}", designation, text); };
        if (net.tap.empty()) return start_user_network(index, warn);
        return std::make_unique<devices::net::Tap>(net.tap, channels, warn);
    } catch (UserError const&) {
        throw;
    } catch (std::exception const& error) {
        throw UserError{designation + ": " + devices::os_error(error)};
    }
}

} // namespace

NetworkCards::NetworkCards(GuestOptions const& options, StartUserNetwork const& start_user_network,
                           hv::vmbus::Bus& bus)
{
    constexpr unsigned enough_channels = 8; // Linux takes no more by itself
    for (std::size_t i = 0; i < options.nets.size(); ++i) {
        auto const& net = options.nets[i];
        auto const designation = options.designation();
        devices::network::Nic::Config config;
        config.mac = mac_of(net, options.name, i);
        config.instance = devices::network::instance_id(static_cast<unsigned>(i));
        config.max_channels = std::min(options.cpus, enough_channels);
        config.misbehaved = [designation, limit = std::make_shared<RateLimit>()](std::string_view how) {
            warn_limited(*limit, "{} {}", designation, how);
        };
        auto backend = backend_of(net, i, start_user_network, designation, config.max_channels);
        if (options.starts_by_firmware()) lend(backend, net, config);
        cards_.push_back(std::make_shared<devices::network::Nic>(std::move(config), std::move(backend), bus));
        if (options.starts_by_firmware())
            boot_cards_.back().link_up = [card = std::weak_ptr{cards_.back()}] {
                auto const there = card.lock();
                return there && there->link_up();
            };
    }
    for (auto const& card : cards_)
        card->start();
}

static_assert(GuestOptions::max_nets <= devices::firmware::network::most_cards);

/// The firmware has it first.
void NetworkCards::lend(std::unique_ptr<devices::net::FrameBackend>& backend, NetOptions const& net,
                        devices::network::Nic::Config const& config)
{
    auto lent = std::make_unique<devices::net::LentBackend>(std::move(backend), config.mac);
    boot_cards_.push_back({.mac = config.mac,
                           .instance = config.instance.bytes,
                           .port = lent->firmware(),
                           .place = net.boot_index ? *net.boot_index + 1 : 0});
    backend = std::move(lent);
}

void NetworkCards::quiesce(hv::StillBusy busy)
{
    for (auto const& card : cards_)
        card->quiesce(busy);
}

void NetworkCards::resume()
{
    for (auto const& card : cards_)
        card->resume();
}

NetworkCards::~NetworkCards()
{
    for (auto const& card : cards_)
        card->stop();
}

} // namespace vmm
