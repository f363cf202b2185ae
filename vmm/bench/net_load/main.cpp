// Traffic for the network benchmarks: one static program, which runs in the guest, where there is nothing else, and
// on the host beside it.
//
//   net_load serve              takes connections: port 5001 is read until its end, port 5002 is sent BYTES_SENT
//   net_load ping ADDRESS       prints the median of a round trip, in ns
//   net_load to ADDRESS         sends to port 5001; prints ns for each MiB
//   net_load from ADDRESS       reads from port 5002; prints ns for each MiB
#include <algorithm>
#include <arpa/inet.h>
#include <array>
#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <netinet/ip_icmp.h>
#include <poll.h>
#include <string>
#include <sys/socket.h>
#include <unistd.h>
#include <vector>

namespace {

constexpr std::uint16_t sink_port = 5001;
constexpr std::uint16_t source_port = 5002;
constexpr std::size_t mebibytes = 32; // of one measurement
constexpr std::size_t total = mebibytes << 20;

std::array<char, std::size_t{128} << 10> buffer;

[[noreturn]] void fail(char const* what)
{
    std::printf("net_load: %s: %s\n", what, std::strerror(errno));
    std::exit(1);
}

std::uint64_t now()
{
    timespec time{};
    clock_gettime(CLOCK_MONOTONIC, &time);
    return static_cast<std::uint64_t>(time.tv_sec) * 1'000'000'000 + static_cast<std::uint64_t>(time.tv_nsec);
}

sockaddr_in address_of(char const* text, std::uint16_t port)
{
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    if (text && inet_pton(AF_INET, text, &address.sin_addr) != 1) fail(text);
    return address;
}

sockaddr const* generic(sockaddr_in const& address)
{
    return reinterpret_cast<sockaddr const*>(&address);
}

int listener(std::uint16_t port)
{
    auto const address = address_of(nullptr, port);
    int const fd = socket(AF_INET, SOCK_STREAM, 0);
    if (fd < 0 || bind(fd, generic(address), sizeof address) < 0 || listen(fd, 4) < 0) fail("listen");
    return fd;
}

void drain(int fd)
{
    for (;;) {
        auto const size = read(fd, buffer.data(), buffer.size());
        if (size < 0) fail("read");
        if (size == 0) return;
    }
}

void fill(int fd)
{
    for (std::size_t left = total; left > 0;) {
        auto const size = write(fd, buffer.data(), std::min(left, buffer.size()));
        if (size <= 0) fail("write");
        left -= static_cast<std::size_t>(size);
    }
    shutdown(fd, SHUT_WR);
}

int connected(char const* text, std::uint16_t port)
{
    auto const address = address_of(text, port);
    int const fd = socket(AF_INET, SOCK_STREAM, 0);
    if (fd < 0 || connect(fd, generic(address), sizeof address) < 0) fail("connect");
    return fd;
}

[[noreturn]] void serve()
{
    std::array<pollfd, 2> ports{pollfd{listener(sink_port), POLLIN, 0}, pollfd{listener(source_port), POLLIN, 0}};
    std::printf("network is ready\n");
    std::fflush(stdout);
    for (;;) {
        if (poll(ports.data(), ports.size(), -1) < 0) fail("poll");
        for (auto const& port : ports) {
            if (port.revents == 0) continue;
            int const fd = accept(port.fd, nullptr, nullptr);
            if (fd < 0) fail("accept");
            if (port.fd == ports[1].fd) fill(fd);
            drain(fd);
            close(fd);
        }
    }
}

std::uint16_t checksum(void const* data, std::size_t size)
{
    std::uint32_t sum = 0;
    for (std::size_t i = 0; i + 1 < size; i += 2) {
        std::uint16_t word = 0;
        std::memcpy(&word, static_cast<char const*>(data) + i, sizeof word);
        sum += word;
    }
    sum = (sum & 0xffff) + (sum >> 16);
    return static_cast<std::uint16_t>(~((sum & 0xffff) + (sum >> 16)));
}

std::uint64_t round_trip(int fd, sockaddr_in const& address, std::uint16_t number)
{
    struct {
        icmphdr header;
        std::array<char, 56> data;
    } echo{};
    echo.header.type = ICMP_ECHO;
    echo.header.un.echo.id = htons(77);
    echo.header.un.echo.sequence = htons(number);
    echo.header.checksum = checksum(&echo, sizeof echo);
    auto const begin = now();
    if (sendto(fd, &echo, sizeof echo, 0, generic(address), sizeof address) < 0) fail("sendto");
    for (;;) {
        std::array<char, 512> answer;
        if (recv(fd, answer.data(), answer.size(), 0) < 0) fail("recv");
        icmphdr header{};
        std::memcpy(&header, answer.data() + 20, sizeof header);
        if (header.type == ICMP_ECHOREPLY && header.un.echo.sequence == htons(number)) return now() - begin;
    }
}

void ping(char const* text)
{
    auto const address = address_of(text, 0);
    int const fd = socket(AF_INET, SOCK_RAW, IPPROTO_ICMP);
    timeval const patience{5, 0};
    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience) < 0) fail("socket");
    std::vector<std::uint64_t> times;
    for (std::uint16_t i = 0; i < 101; ++i) {
        times.push_back(round_trip(fd, address, i));
        usleep(2000); // the guest comes to rest, as between the pings of a person
    }
    std::nth_element(times.begin(), times.begin() + 50, times.end());
    std::printf("%llu\n", static_cast<unsigned long long>(times[50]));
}

void to(char const* text)
{
    auto const begin = now();
    int const fd = connected(text, sink_port);
    fill(fd);
    drain(fd);
    std::printf("%llu\n", static_cast<unsigned long long>((now() - begin) / mebibytes));
}

void from(char const* text)
{
    auto const begin = now();
    int const fd = connected(text, source_port);
    drain(fd);
    std::printf("%llu\n", static_cast<unsigned long long>((now() - begin) / mebibytes));
}

} // namespace

int main(int count, char** arguments)
{
    std::string const what = count > 1 ? arguments[1] : "";
    if (what == "serve") serve();
    if (count != 3) {
        std::printf("usage: net_load serve | ping ADDRESS | to ADDRESS | from ADDRESS\n");
        return 2;
    }
    if (what == "ping") ping(arguments[2]);
    if (what == "to") to(arguments[2]);
    if (what == "from") from(arguments[2]);
}
