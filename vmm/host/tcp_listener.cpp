#include "vmm/host/tcp_listener.hpp"

#include "devices/base/os_error.hpp"
#include "vmm/base/user_error.hpp"

#include <arpa/inet.h>
#include <cerrno>
#include <netinet/in.h>
#include <sys/socket.h>

namespace vmm {

namespace {

/// What bind(2) takes for an address of either family.
struct Place {
    sockaddr_storage storage{};
    socklen_t size = 0;
};

Place place_of(std::string const& address, std::uint16_t port)
{
    Place place;
    auto& four = reinterpret_cast<sockaddr_in&>(place.storage);
    if (::inet_pton(AF_INET, address.c_str(), &four.sin_addr) == 1) {
        four.sin_family = AF_INET;
        four.sin_port = htons(port);
        place.size = sizeof four;
        return place;
    }
    auto& six = reinterpret_cast<sockaddr_in6&>(place.storage);
    if (::inet_pton(AF_INET6, address.c_str(), &six.sin6_addr) == 1) {
        six.sin6_family = AF_INET6;
        six.sin6_port = htons(port);
        place.size = sizeof six;
    }
    return place;
}

} // namespace

UniqueFd listen_tcp(std::string const& option, std::string const& address, std::uint16_t port)
{
    auto const refuse = [&](std::string const& why) {
        throw UserError{option + ": cannot listen on " + address + " port " + std::to_string(port) + ": " + why};
    };
    auto const place = place_of(address, port);
    if (place.size == 0) refuse("that is no address: write one in numbers");
    UniqueFd fd{::socket(place.storage.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)};
    if (!fd) refuse(devices::os_error(errno));
    int const yes = 1; // connections of an ended run may still linger
    ::setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
    if (place.storage.ss_family == AF_INET6) ::setsockopt(fd.get(), IPPROTO_IPV6, IPV6_V6ONLY, &yes, sizeof yes);
    if (::bind(fd.get(), reinterpret_cast<sockaddr const*>(&place.storage), place.size) != 0 ||
        ::listen(fd.get(), SOMAXCONN) != 0) {
        if (errno == EADDRINUSE) refuse("the port is in use: name another one");
        if (errno == EADDRNOTAVAIL) refuse("this machine does not have that address: name one that it has");
        if (errno == EACCES) refuse("ports below 1024 are for root: name another one");
        refuse(devices::os_error(errno));
    }
    return fd;
}

} // namespace vmm
