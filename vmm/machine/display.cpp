#include "vmm/machine/display.hpp"

#include "devices/base/os_error.hpp"
#include "vmm/base/user_error.hpp"
#include "vmm/host/tcp_listener.hpp"

#include <array>
#include <cerrno>
#include <fcntl.h>
#include <fstream>
#include <string>
#include <utility>

namespace vmm {

namespace {

using devices::vmbus::Mouse;
using devices::vmbus::Video;
using devices::vmbus::mouse::Report;
using devices::vnc::VncServer;

std::string option_of(GuestOptions const& options)
{
    return options.name.empty() ? "--display" : options.designation() + ": display";
}

/// The file's first line.
std::string read_password(std::string const& option, std::string const& path)
{
    auto const refuse = [&](std::string const& why) {
        throw UserError{option + ": password-file '" + path + "' " + why};
    };
    std::ifstream file{path};
    std::string password;
    if (!file) refuse("cannot be read: " + devices::os_error(errno));
    std::getline(file, password);
    if (password.empty()) refuse("holds no password: write one into its first line");
    if (password.size() > VncServer::longest_password)
        refuse("holds a password of more than 8 bytes, of which VNC uses no more: shorten it");
    return password;
}

devices::UniqueFd duplicate(int fd)
{
    devices::UniqueFd copy{::fcntl(fd, F_DUPFD_CLOEXEC, 0)};
    if (!copy) throw UserError{"--display: " + devices::os_error(errno)};
    return copy;
}

} // namespace

Display::Display(GuestOptions const& options)
    : memory_{std::make_shared<VideoMemory>(std::size_t{Video::memory_megabytes} << 20)},
      screen_{std::make_shared<devices::display::Screen>(memory_->bytes())},
      keyboard_{[this](auto code, auto stroke) { (void)strike(code, stroke); }}
{
    auto const& wanted = options.display;
    if (!wanted.is_vnc()) return;
    auto const option = option_of(options);
    VncServer::Config config;
    config.title = options.name.empty() ? "Porthole" : options.name + " - Porthole";
    if (!wanted.password_file.empty()) config.password = read_password(option, wanted.password_file);
    if (wanted.kind == DisplayOptions::Kind::Unix) {
        listener_.emplace(option, wanted.path);
        config.listener = duplicate(listener_->fd());
    } else {
        config.listener = listen_tcp(option, wanted.address, wanted.port);
    }
    devices::vnc::ViewerInput& input = *this; // private to all but the server
    try {
        server_.emplace(std::move(config), screen_, input);
    } catch (std::exception const& error) {
        throw UserError{option + ": " + devices::os_error(error)};
    }
}

Display::~Display() = default;

void Display::start()
{
    if (server_) server_->start();
}

void Display::reset()
{
    memory_->clear();
    screen_->reset();
}

void Display::connect(InputDevices devices)
{
    InputDevices before; // ends without the lock
    before = std::exchange(*devices_.lock(), std::move(devices));
}

std::uint16_t Display::part_of(std::uint32_t pixel, std::uint32_t size)
{
    return static_cast<std::uint16_t>(size < 2 ? 0 : std::uint64_t{pixel} * Report::most / (size - 1));
}

void Display::connect_firmware(std::shared_ptr<devices::firmware::ConsoleMailbox> console)
{
    std::swap(devices_.lock()->firmware, console);
}

bool Display::strike(devices::vmbus::ScanCode code, devices::vmbus::Keyboard::Stroke stroke)
{
    auto const devices = *devices_.lock();
    return (devices.keyboard && devices.keyboard->strike(code, stroke)) ||
           (devices.firmware && devices.firmware->strike(code, stroke));
}

bool Display::point(Report const& report)
{
    auto const devices = *devices_.lock();
    return (devices.mouse && devices.mouse->report(report)) || (devices.firmware && devices.firmware->point(report));
}

void Display::key(std::uint32_t symbol, bool down)
{
    keyboard_.key(symbol, down);
}

void Display::pointer(std::uint32_t x, std::uint32_t y, unsigned buttons, devices::display::Mode const& mode)
{
    constexpr unsigned wheel_up = 8;
    constexpr unsigned wheel_down = 16;
    auto const pressed = buttons & ~std::exchange(buttons_, buttons);
    Report report{};
    // Left, middle, right there; left, right, middle here.
    report.buttons = static_cast<std::uint8_t>((buttons & 1) | (buttons & 2) << 1 | (buttons & 4) >> 1);
    report.x = part_of(x, mode.width);
    report.y = part_of(y, mode.height);
    if ((pressed & wheel_up) != 0) report.wheel = 1;
    if ((pressed & wheel_down) != 0) report.wheel = -1;
    (void)point(report);
}

void Display::nobody()
{
    keyboard_.release_all();
}

void Display::inspect(hv::Inspector& inspector) const
{
    hv::InspectedNode const node{inspector, "display"};
    auto const mode = screen_->mode();
    inspector.number("width", mode.width);
    inspector.number("height", mode.height);
    if (server_) inspector.number("viewers", server_->viewers());
}

DisplayDevices::DisplayDevices(Display& display, hv::vmbus::Bus& bus, hv::vmbus::Executor& executor,
                               std::shared_ptr<devices::vmbus::Keyboard> keyboard, Video::Place place)
    : display_{display},
      video_{std::make_shared<Video>(executor, display.screen(), std::move(place))},
      mouse_{std::make_shared<Mouse>(executor)}
{
    display.screen()->attach(video_);
    bus.offer(Video::offer(), video_);
    bus.offer(Mouse::offer(), mouse_);
    display.connect({std::move(keyboard), mouse_, {}});
}

DisplayDevices::~DisplayDevices()
{
    display_.connect({});
}

} // namespace vmm
