// Runs in a Linux guest, for scripts/bench: how many nanoseconds, which are instructions in the deterministic lab, a
// read or write of a disk takes that is the only one under way. usage: disk_bench DEVICE
#include <array>
#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <time.h>
#include <unistd.h>

namespace {

constexpr std::uint64_t kib = 1 << 10;
constexpr std::uint64_t mib = 1 << 20;
constexpr std::uint64_t used = 64 * mib; ///< of the disk, from its start

alignas(4096) std::array<char, mib> buffer;

[[noreturn]] void fail(char const* what)
{
    std::printf("disk_bench: %s: %s\n", what, std::strerror(errno));
    std::exit(1);
}

std::uint64_t now()
{
    timespec time{};
    clock_gettime(CLOCK_MONOTONIC, &time);
    return static_cast<std::uint64_t>(time.tv_sec) * 1'000'000'000 + static_cast<std::uint64_t>(time.tv_nsec);
}

/// The same places in every run.
std::uint64_t random_page()
{
    static std::uint64_t state = 88172645463325252;
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return state % (used / (4 * kib)) * 4 * kib;
}

template <typename Step>
void measure(char const* name, unsigned warm_up, unsigned count, Step const& step)
{
    for (unsigned i = 0; i < warm_up; ++i)
        step(i);
    auto const begin = now();
    for (unsigned i = 0; i < count; ++i)
        step(warm_up + i);
    std::printf("bench %s %llu\n", name, static_cast<unsigned long long>((now() - begin) / count));
}

} // namespace

int main(int argc, char** argv)
{
    if (argc != 2) fail("usage: disk_bench DEVICE");
    int const disk = open(argv[1], O_RDWR | O_DIRECT);
    if (disk < 0) fail(argv[1]);
    auto const whole = [](ssize_t moved, std::uint64_t size) {
        if (moved != static_cast<ssize_t>(size)) fail("short or failed transfer");
    };
    measure("disk_4k_read", 100, 1000, [&](unsigned) {
        whole(pread(disk, buffer.data(), 4 * kib, static_cast<off_t>(random_page())), 4 * kib);
    });
    measure("disk_4k_write", 100, 1000, [&](unsigned) {
        whole(pwrite(disk, buffer.data(), 4 * kib, static_cast<off_t>(random_page())), 4 * kib);
    });
    measure("disk_1m_read", 8, 48,
            [&](unsigned i) { whole(pread(disk, buffer.data(), mib, static_cast<off_t>(i * mib)), mib); });
    return 0;
}
