#include "vmm/console/testing/streams.hpp"

#include <array>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <system_error>
#include <termios.h>

namespace vmm::testing {

namespace {

int checked(int result)
{
    if (result < 0) throw std::system_error{errno, std::generic_category()};
    return result;
}

termios modes_of(int fd)
{
    termios modes{};
    checked(::tcgetattr(fd, &modes));
    return modes;
}

} // namespace

Pipe::Pipe()
{
    std::signal(SIGPIPE, SIG_IGN); // as in main()
    std::array<int, 2> ends{};
    checked(::pipe2(ends.data(), O_CLOEXEC));
    reader = UniqueFd{ends[0]};
    writer = UniqueFd{ends[1]};
}

Pty::Pty()
{
    master = UniqueFd{checked(::posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC))};
    checked(::grantpt(master.get()));
    checked(::unlockpt(master.get()));
    std::array<char, 128> name{};
    checked(::ptsname_r(master.get(), name.data(), name.size()) == 0 ? 0 : -1);
    slave = UniqueFd{checked(::open(name.data(), O_RDWR | O_NOCTTY | O_CLOEXEC))};
}

std::string Pty::modes() const
{
    auto const now = modes_of(slave.get());
    return std::to_string(now.c_iflag) + " " + std::to_string(now.c_oflag) + " " + std::to_string(now.c_cflag) + " " +
           std::to_string(now.c_lflag);
}

bool Pty::is_raw() const
{
    auto const now = modes_of(slave.get());
    return (now.c_lflag & (ECHO | ICANON | ISIG)) == 0 && (now.c_iflag & (ICRNL | IXON)) == 0;
}

UniqueFd temporary_file(std::string_view content)
{
    UniqueFd file{checked(::memfd_create("porthole-test", MFD_CLOEXEC))};
    put(file.get(), content);
    checked(static_cast<int>(::lseek(file.get(), 0, SEEK_SET)));
    return file;
}

std::span<std::byte const> bytes_of(std::string_view text)
{
    return std::as_bytes(std::span{text});
}

void put(int fd, std::string_view text)
{
    while (!text.empty()) {
        auto const written = ::write(fd, text.data(), text.size());
        checked(written < 0 ? -1 : 0);
        text.remove_prefix(static_cast<std::size_t>(written));
    }
}

std::size_t fill(int fd)
{
    auto const flags = checked(::fcntl(fd, F_GETFL));
    checked(::fcntl(fd, F_SETFL, flags | O_NONBLOCK));
    std::string const dots(4096, '.');
    std::size_t filled = 0;
    for (auto size = dots.size(); size > 0;) {
        auto const written = ::write(fd, dots.data(), size);
        if (written > 0)
            filled += static_cast<std::size_t>(written);
        else
            size /= 2;
    }
    checked(::fcntl(fd, F_SETFL, flags));
    return filled;
}

std::string get_some(int fd)
{
    std::array<char, 4096> chunk{};
    auto const count = ::read(fd, chunk.data(), chunk.size());
    checked(count < 0 ? -1 : 0);
    return {chunk.data(), static_cast<std::size_t>(count)};
}

std::string get(int fd, std::size_t size)
{
    std::string all;
    while (all.size() < size) {
        auto const more = get_some(fd);
        if (more.empty()) break;
        all += more;
    }
    return all;
}

std::size_t readable(int fd)
{
    int count = 0;
    checked(::ioctl(fd, FIONREAD, &count));
    return static_cast<std::size_t>(count);
}

bool is_nonblocking(int fd)
{
    return (checked(::fcntl(fd, F_GETFL)) & O_NONBLOCK) != 0;
}

} // namespace vmm::testing
