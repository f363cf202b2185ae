#include "vmm/options/net_option.hpp"

#include "vmm/base/user_error.hpp"

#include <algorithm>
#include <charconv>
#include <stdexcept>

namespace vmm {

namespace {

[[noreturn]] void refuse(std::string_view option, std::string const& complaint)
{
    std::string message{option};
    message.append(": ").append(complaint);
    std::replace(message.begin(), message.end(), '\n', ' ');
    throw UserError{message};
}

bool take_prefix(std::string_view& text, std::string_view prefix)
{
    if (!text.starts_with(prefix)) return false;
    text.remove_prefix(prefix.size());
    return true;
}

devices::net::MacAddress parse_mac(std::string_view option, std::string_view text)
{
    auto const mac = devices::net::parse_mac_address(text);
    if (!mac) refuse(option, "'" + std::string{text} + "' is no MAC address: write e.g. mac=52:54:00:12:34:56");
    if (mac->multicast() || *mac == devices::net::MacAddress{})
        refuse(option, "'" + std::string{text} +
                           "' is no card's own address: the first byte must be even, and not all "
                           "may be zero");
    return *mac;
}

devices::net::PortForward parse_forward(std::string_view option, std::string_view text)
{
    try {
        return devices::net::parse_port_forward(std::string{text});
    } catch (std::invalid_argument const& error) {
        refuse(option, error.what());
    }
}

unsigned parse_boot_index(std::string_view option, std::string_view text)
{
    unsigned number = 0;
    auto const* const end = text.data() + text.size();
    auto const parsed = std::from_chars(text.data(), end, number);
    if (parsed.ec != std::errc{} || parsed.ptr != end || number > DiskOptions::max_boot_index)
        refuse(option, "'bootindex=" + std::string{text} +
                           "' is no place in an order: use bootindex=0, which is tried first, to 9999");
    return number;
}

std::string parse_boot_file(std::string_view option, std::string_view text)
{
    bool const printable = std::ranges::all_of(text, [](char c) { return c >= ' ' && c <= '~'; });
    if (text.empty() || text.size() > NetOptions::longest_boot_file || !printable || text.starts_with('/'))
        refuse(option, "'bootfile=" + std::string{text} +
                           "' names no file: use the name of one in the folder of tftp=, of at most 127 letters, "
                           "digits and signs");
    return std::string{text};
}

/// What a user-mode network takes, and a tap does not. False when it is nothing of these.
bool parse_user_item(std::string_view option, std::string_view item, NetOptions& net)
{
    if (take_prefix(item, "hostfwd=")) {
        net.forwards.push_back(parse_forward(option, item));
    } else if (take_prefix(item, "tftp=")) {
        if (item.empty()) refuse(option, "'tftp=' names no folder: write e.g. tftp=/srv/tftp");
        net.tftp = item;
    } else if (take_prefix(item, "bootfile=")) {
        net.boot_file = parse_boot_file(option, item);
    } else {
        return false;
    }
    return true;
}

} // namespace

NetOptions parse_net(std::string_view option, std::string_view text)
{
    NetOptions net;
    auto left = text;
    auto const next = [&left] {
        auto const comma = left.find(',');
        auto const item = left.substr(0, comma);
        left.remove_prefix(comma == std::string_view::npos ? left.size() : comma + 1);
        return item;
    };

    auto network = next();
    if (take_prefix(network, "tap=")) {
        if (network.empty()) refuse(option, "'" + std::string{text} + "' names no interface: write e.g. tap=vm0");
        net.tap = network;
    } else if (network != "user") {
        refuse(option, "'" + std::string{network} + "' is no network: use user or tap=NAME");
    }
    while (!left.empty()) {
        auto item = next();
        if (take_prefix(item, "mac=")) {
            net.mac = parse_mac(option, item);
        } else if (take_prefix(item, "bootindex=")) {
            net.boot_index = parse_boot_index(option, item);
        } else if (!net.tap.empty() || !parse_user_item(option, item, net)) {
            refuse(option, "'" + std::string{item} + "' is not known here: " +
                               (net.tap.empty() ? "user takes mac=MAC, hostfwd=tcp::2222-:22, tftp=FOLDER, "
                                                  "bootfile=NAME and bootindex=N"
                                                : "a tap takes mac=MAC and bootindex=N"));
        }
    }
    if (!net.boot_file.empty() && net.tftp.empty())
        refuse(option,
               "'bootfile=" + net.boot_file + "' is served by TFTP: add the folder that it is in, tftp=FOLDER");
    return net;
}

void add_net(GuestOptions& guest, std::string_view option, std::string_view text)
{
    if (guest.nets.size() == GuestOptions::max_nets)
        refuse(option, "a guest has at most " + std::to_string(GuestOptions::max_nets) + " network cards");
    guest.nets.push_back(parse_net(option, text));
}

} // namespace vmm
