// What clients of a guest's display may try where the jail lets its thread do next to nothing.
#include "hv/testing/catch.hpp"
#include "vmm/cli/testing/porthole.hpp"
#include "vmm/cli/testing/puppet.hpp"
#include "vmm/host/unique_fd.hpp"

#include <array>
#include <cstring>
#include <poll.h>
#include <string>
#include <sys/socket.h>
#include <sys/un.h>

using namespace vmm::testing;

namespace {

constexpr int patience_ms = 60'000;

/// What the server says after that, until it has nothing more to say to such a client or has said `enough`.
std::string said_to(std::string const& path, std::string const& greeting, std::size_t enough = ~std::size_t{0})
{
    vmm::UniqueFd const client{::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)};
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    REQUIRE(path.size() < sizeof address.sun_path);
    std::memcpy(address.sun_path, path.c_str(), path.size() + 1);
    REQUIRE(::connect(client.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) == 0);
    REQUIRE(::send(client.get(), greeting.data(), greeting.size(), MSG_NOSIGNAL) ==
            static_cast<ssize_t>(greeting.size()));
    std::string said;
    while (said.size() < enough) {
        pollfd wait{client.get(), POLLIN, 0};
        REQUIRE(::poll(&wait, 1, patience_ms) == 1);
        std::array<char, 4096> some{};
        auto const count = ::recv(client.get(), some.data(), some.size(), 0);
        if (count <= 0) break;
        said.append(some.data(), static_cast<std::size_t>(count));
    }
    return said;
}

std::string const version = "RFB 003.008\n"; // RFC 6143 §7.1.1
std::string const tls{"\x16\x03\x01\x00\x05hello", 10};
std::string const web_socket =
    "GET / HTTP/1.1\r\nHost: here\r\nOrigin: http://here\r\nUpgrade: websocket\r\n"
    "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: binary\r\n\r\n";

} // namespace

TEST_CASE("no client of a display ends the run, whatever it speaks", "[binary][hostile]")
{
    if (!can_run()) return;
    bool const has_password = GENERATE(false, true);
    Folder const folder;
    auto const viewers = folder.path("vnc");
    auto const password = has_password ? ",password-file=" + folder.file("password", "secret\n") : "";
    Process process{{"run", "--kernel", puppet(), "--memory", "16M", "--jail", "on", "--display",
                     "vnc=unix:" + viewers + password, "--cmdline", "say:up await:x power-off"}};
    process.await_output("up\n");
    CHECK(said_to(viewers, tls).empty());
    // The answer holds a checksum of the key (RFC 6455 §4.2.2, with its example).
    CHECK_THAT(said_to(viewers, web_socket, 160), Catch::Matchers::Contains("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="));
    if (has_password) {
        auto const guess = version + "\x02" + std::string(16, 'x');
        CHECK_THAT(said_to(viewers, guess), Catch::Matchers::Contains(version));
    }
    CHECK(said_to(viewers, version, version.size()).starts_with(version));
    process.type("x");
    CHECK(process.end().status == 0);
}
