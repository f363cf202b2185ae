#include "hv/testing/catch.hpp"
#include "vmm/base/user_error.hpp"
#include "vmm/options/display_option.hpp"

#include <string>

using vmm::DisplayOptions;
using Kind = DisplayOptions::Kind;

namespace {

DisplayOptions parse(std::string const& text)
{
    return vmm::parse_display("--display", text);
}

} // namespace

TEST_CASE("a display is a VNC server, or seen by commands alone", "[cli][display]")
{
    CHECK(DisplayOptions{}.kind == Kind::None);
    CHECK(parse("offscreen").kind == Kind::Offscreen);
    auto const tcp = parse("vnc=127.0.0.1:5901");
    CHECK(tcp.kind == Kind::Tcp);
    CHECK(tcp.address == "127.0.0.1");
    CHECK(tcp.port == 5901);
    CHECK(tcp.password_file.empty());
    CHECK(parse("vnc=localhost:1").address == "127.0.0.1");
    CHECK(parse("vnc=[::1]:5900").address == "::1");
    auto const open = parse("vnc=0.0.0.0:5900,password-file=secret,1");
    CHECK(open.beyond_loopback);
    CHECK(open.password_file == "secret,1");
    auto const unix_socket = parse("vnc=unix:/run/x.vnc");
    CHECK(unix_socket.kind == Kind::Unix);
    CHECK(unix_socket.path == "/run/x.vnc");
}

TEST_CASE("a display that is none is refused in one line", "[cli][display]")
{
    auto const text =
        GENERATE("", "vnc", "vnc=", "vnc=127.0.0.1", "vnc=127.0.0.1:", "vnc=127.0.0.1:0", "vnc=127.0.0.1:70000",
                 "vnc=127.0.0.1:5900x", "vnc=:5900", "vnc=host:5900", "vnc=::1:5900", "vnc=[127.0.0.1]:5900",
                 "vnc=unix:", "gtk", "offscreen,x", "vnc=127.0.0.1:5900,password=x",
                 "vnc=127.0.0.1:5900,password-file=", "vnc=0.0.0.0:5900", "vnc=[::]:5900", "vnc=192.0.2.1:5900");
    std::string why;
    try {
        (void)parse(text);
    } catch (vmm::UserError const& error) {
        why = error.what();
    }
    CAPTURE(text);
    CHECK(why.starts_with("--display: '"));
    CHECK(why.find('\n') == std::string::npos);
}
