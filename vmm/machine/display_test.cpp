#include "hv/testing/catch.hpp"
#include "hv/testing/vmbus_guest.hpp"
#include "vmm/base/user_error.hpp"
#include "vmm/host/tcp_listener.hpp"
#include "vmm/host/testing/contains.hpp"
#include "vmm/machine/display.hpp"

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <netinet/in.h>
#include <sys/socket.h>

using namespace vmm;
using vmm::testing::Contains;

namespace {

struct Folder {
    Folder() { REQUIRE(::mkdtemp(path.data())); }
    Folder(Folder const&) = delete;
    Folder& operator=(Folder const&) = delete;
    ~Folder() { std::filesystem::remove_all(path); }

    std::string path = std::filesystem::temp_directory_path() / "porthole-display.XXXXXX";
};

GuestOptions on_socket(std::string const& path)
{
    GuestOptions options;
    options.display = {.kind = DisplayOptions::Kind::Unix, .path = path};
    return options;
}

std::string complaint(GuestOptions const& options)
{
    try {
        Display const display{options};
    } catch (UserError const& error) {
        return error.what();
    }
    return {};
}

std::uint16_t port_of(UniqueFd const& listener)
{
    sockaddr_in address{};
    socklen_t size = sizeof address;
    REQUIRE(::getsockname(listener.get(), reinterpret_cast<sockaddr*>(&address), &size) == 0);
    return ntohs(address.sin_port);
}

} // namespace

TEST_CASE("a port or socket that is in use is refused in one line", "[display]")
{
    auto const taken = listen_tcp("--display", "127.0.0.1", 0);
    GuestOptions options;
    options.display = {.kind = DisplayOptions::Kind::Tcp, .address = "127.0.0.1", .port = port_of(taken)};
    CHECK_THAT(complaint(options), Contains("--display: cannot listen on 127.0.0.1 port ") && Contains("in use"));
    options.name = "one";
    options.display.address = "192.0.2.1"; // of documentation alone (RFC 5737)
    CHECK_THAT(complaint(options), Contains("guest 'one': display: ") && Contains("does not have that address"));

    Folder const folder;
    auto const on = on_socket(folder.path + "/vnc");
    {
        Display const first{on};
        CHECK_THAT(complaint(on), Contains("it is in use"));
    }
    CHECK(complaint(on).empty());
    CHECK_FALSE(std::filesystem::exists(folder.path + "/vnc"));
}

TEST_CASE("a password that VNC cannot use is refused", "[display]")
{
    Folder const folder;
    auto options = on_socket(folder.path + "/vnc");
    options.display.password_file = folder.path + "/password";
    CHECK_THAT(complaint(options), Contains("cannot be read"));
    std::ofstream{options.display.password_file} << "\n";
    CHECK_THAT(complaint(options), Contains("holds no password"));
    std::ofstream{options.display.password_file} << "123456789\n";
    CHECK_THAT(complaint(options), Contains("more than 8 bytes"));
    std::ofstream{options.display.password_file} << "12345678\nand more\n";
    CHECK(complaint(options).empty());
}

TEST_CASE("a display without a machine takes nothing, and shows black", "[display]")
{
    GuestOptions options;
    options.display.kind = DisplayOptions::Kind::Offscreen;
    Display display{options};
    CHECK_FALSE(display.point({}));
    CHECK_FALSE(display.strike(devices::vmbus::ScanCode{0x1E}, devices::vmbus::Keyboard::Stroke::Press));
    CHECK(display.screen()->mode() == devices::display::Mode{});
    CHECK(display.screen()->set_mode({640, 480, 2560, 32, 0}));
    display.memory()->bytes().front() = std::byte{1};
    display.start();
    display.reset();
    CHECK(display.screen()->mode().width == 1024);
    CHECK(display.memory()->bytes().front() == std::byte{0});
}

TEST_CASE("keys and pointers of which no driver on VMBus wants to hear are the firmware's", "[display]")
{
    using devices::firmware::ConsoleMailbox;
    namespace console = devices::firmware::console;
    constexpr devices::vmbus::ScanCode letter{0x1E};
    GuestOptions options;
    options.display.kind = DisplayOptions::Kind::Offscreen;
    Display display{options};
    auto const executor = std::make_shared<hv::testing::CrankedExecutor>();
    auto const scanner = std::make_shared<devices::display::Scanner>(display.screen(), executor);
    auto const firmware = std::make_shared<ConsoleMailbox>(scanner, [] { return std::uint64_t{0}; });
    display.connect({.keyboard = std::make_shared<devices::vmbus::Keyboard>(*executor),
                     .mouse = std::make_shared<devices::vmbus::Mouse>(*executor)}); // have no drivers
    display.connect_firmware(firmware);
    CHECK_FALSE(display.strike(letter, ConsoleMailbox::Stroke::Press));
    firmware->write(console::keyboard, 4, 1);
    CHECK(display.strike(letter, ConsoleMailbox::Stroke::Press));
    CHECK(firmware->read(console::key, 4) == (console::stroke_present | 0x1E));
    CHECK_FALSE(display.point({.buttons = 1, .x = 5, .y = 6, .wheel = 0}));
    firmware->write(console::pointer, 4, 1);
    CHECK(display.point({.buttons = 1, .x = 5, .y = 6, .wheel = 0}));
    CHECK(firmware->read(console::report, 4) == (console::report_present | 1));
    CHECK(firmware->read(console::report_place, 4) == (5 | 6 << 16));
    display.connect({});
    CHECK_FALSE(display.point({}));
    CHECK_FALSE(display.strike(letter, ConsoleMailbox::Stroke::Press));
}

TEST_CASE("the corners of a screen are the ends of a mouse's range", "[display]")
{
    CHECK(Display::part_of(0, 1024) == 0);
    CHECK(Display::part_of(1023, 1024) == 0x7FFF);
    CHECK(Display::part_of(0, 1) == 0);
}
