#include "vmm/options/display_option.hpp"

#include "vmm/base/user_error.hpp"

#include <algorithm>
#include <arpa/inet.h>
#include <charconv>
#include <cstddef>
#include <netinet/in.h>
#include <string>

namespace vmm {

namespace {

constexpr auto write_instead = "write vnc=127.0.0.1:5900, vnc=unix:PATH or offscreen";

[[noreturn]] void refuse(std::string_view option, std::string_view text, std::string const& complaint)
{
    auto message = std::string{option} + ": '" + std::string{text} + "' " + complaint;
    std::ranges::replace(message, '\n', ' ');
    throw UserError{message};
}

bool take_prefix(std::string_view& text, std::string_view prefix)
{
    if (!text.starts_with(prefix)) return false;
    text.remove_prefix(prefix.size());
    return true;
}

/// Whether it reaches this machine alone; nothing for what is no address.
std::optional<bool> is_loopback(std::string const& address)
{
    in_addr four{};
    if (::inet_pton(AF_INET, address.c_str(), &four) == 1) return ntohl(four.s_addr) >> 24 == 127;
    in6_addr six{};
    if (::inet_pton(AF_INET6, address.c_str(), &six) == 1) return IN6_IS_ADDR_LOOPBACK(&six) != 0;
    return std::nullopt;
}

/// "127.0.0.1:5900", "localhost:5900" or "[::1]:5900".
void read_address(DisplayOptions& display, std::string_view option, std::string_view text)
{
    auto const colon = text.rfind(':');
    if (colon == std::string_view::npos) refuse(option, text, std::string{"has no port: "} + write_instead);
    auto const digits = text.substr(colon + 1);
    auto const [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), display.port);
    if (error != std::errc{} || end != digits.data() + digits.size() || display.port == 0)
        refuse(option, digits, "is no port: use 1 to 65535, 5900 for what viewers call display 0");

    auto host = text.substr(0, colon);
    bool const bracketed = host.starts_with('[') && host.ends_with(']');
    if (bracketed) host = host.substr(1, host.size() - 2);
    display.address = host == "localhost" ? "127.0.0.1" : std::string{host};
    bool const six = display.address.find(':') != std::string::npos;
    auto const loopback = is_loopback(display.address);
    if (!loopback || six != bracketed)
        refuse(option, text,
               "names no address to listen on: use one of this machine's in numbers, such as 127.0.0.1 or [::1]");
    display.beyond_loopback = !*loopback;
}

} // namespace

DisplayOptions parse_display(std::string_view option, std::string_view text)
{
    using Kind = DisplayOptions::Kind;
    DisplayOptions display;
    auto const comma = text.find(',');
    auto where = text.substr(0, comma);
    auto left = comma == std::string_view::npos ? std::string_view{} : text.substr(comma + 1);
    if (where == "offscreen") {
        if (comma != std::string_view::npos) refuse(option, left, "is not known here: offscreen takes nothing more");
        display.kind = Kind::Offscreen;
        return display;
    }
    if (!take_prefix(where, "vnc=")) refuse(option, where, std::string{"is no display: "} + write_instead);
    if (take_prefix(where, "unix:")) {
        if (where.empty()) refuse(option, text, "names no socket: write vnc=unix:PATH");
        display.kind = Kind::Unix;
        display.path = where;
    } else {
        display.kind = Kind::Tcp;
        read_address(display, option, where);
    }
    if (comma != std::string_view::npos) {
        if (!take_prefix(left, "password-file=") || left.empty())
            refuse(option, left, "is not known here: vnc takes password-file=PATH");
        display.password_file = left;
    }
    if (display.beyond_loopback && display.password_file.empty())
        refuse(option, text,
               "would let everybody in who reaches this address: add password-file=PATH, or use 127.0.0.1");
    return display;
}

} // namespace vmm
