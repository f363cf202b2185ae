#include "devices/block/file_backend.hpp"
#include "devices/block/testing/answers.hpp"
#include "devices/block/testing/image.hpp"
#include "hv/testing/catch.hpp"

#include <algorithm>
#include <atomic>
#include <csignal>
#include <fstream>
#include <string>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <thread>
#include <unistd.h>
#include <vector>

namespace devices::block {

namespace {

using testing::AwaitedRequest;
using testing::TestImage;

constexpr std::uint64_t mib = 1 << 20;

/// One for each backend, so that no thread of it is left for the next test, which may fork.
std::shared_ptr<IoRing> ring()
{
    return std::make_shared<IoRing>();
}

std::vector<std::byte> pattern(std::size_t size, unsigned seed)
{
    std::vector<std::byte> bytes(size);
    for (auto& byte : bytes)
        byte = static_cast<std::byte>((seed = seed * 1664525 + 1013904223) >> 24);
    return bytes;
}

Result write(Backend& backend, std::uint64_t offset, std::vector<std::byte>& bytes)
{
    AwaitedRequest request{Operation::Write, offset};
    request.add(bytes);
    return request.run(backend);
}

std::vector<std::byte> read(Backend& backend, std::uint64_t offset, std::size_t size)
{
    std::vector<std::byte> bytes(size, std::byte{0xEE});
    AwaitedRequest request{Operation::Read, offset};
    request.add(bytes);
    REQUIRE(request.run(backend) == Result::Done);
    return bytes;
}

std::string complaint(std::string const& path, FileBackend::How const& how = {})
{
    try {
        FileBackend const backend{path, how, ring()};
    } catch (OpenError const& error) {
        return error.what();
    }
    return {};
}

bool contains(std::string const& text, std::string const& part)
{
    return text.find(part) != std::string::npos;
}

/// One on a file system in memory, one on whatever there is.
auto const folders = {std::string{"/dev/shm"}, std::string{"/var/tmp"}};

} // namespace

TEST_CASE("What is written to an image is read back, and lies in the file", "[storage]")
{
    for (auto const& folder : folders) {
        TestImage const image{8 * mib, folder};
        FileBackend backend{image.path(), {}, ring()};
        REQUIRE(backend.properties().size == 8 * mib);

        auto bytes = pattern(12'288, 1);
        REQUIRE(write(backend, 4096, bytes) == Result::Done);
        REQUIRE(read(backend, 4096, bytes.size()) == bytes);

        std::ifstream file{image.path(), std::ios::binary};
        file.seekg(4096);
        std::vector<std::byte> on_disk(bytes.size());
        file.read(reinterpret_cast<char*>(on_disk.data()), static_cast<std::streamsize>(on_disk.size()));
        REQUIRE(on_disk == bytes);
    }
}

TEST_CASE("A request in more pieces than a system call takes is done whole", "[storage]")
{
    constexpr std::size_t pieces = 2500;
    constexpr std::size_t piece = 512;
    for (auto const& folder : folders) {
        TestImage const image{8 * mib, folder};
        FileBackend backend{image.path(), {}, ring()};
        auto bytes = pattern(pieces * piece, 2);
        AwaitedRequest request{Operation::Write, 512};
        for (std::size_t i = 0; i < pieces; ++i)
            request.add(std::span{bytes}.subspan(i * piece, piece));
        REQUIRE(request.run(backend) == Result::Done);
        REQUIRE(read(backend, 512, bytes.size()) == bytes);

        std::vector<std::byte> back(bytes.size());
        AwaitedRequest scattered{Operation::Read, 512};
        for (std::size_t i = 0; i < pieces; ++i)
            scattered.add(std::span{back}.subspan(i * piece, piece));
        REQUIRE(scattered.run(backend) == Result::Done);
        REQUIRE(back == bytes);
    }
}

TEST_CASE("What was discarded or zeroed reads as zeros, and takes no room", "[storage]")
{
    for (auto const& folder : folders) {
        for (auto const operation : {Operation::Discard, Operation::WriteZeroes}) {
            TestImage const image{4 * mib, folder};
            FileBackend backend{image.path(), {}, ring()};
            REQUIRE(backend.properties().discard_zeroes);
            auto bytes = pattern(2 * mib, 3);
            REQUIRE(write(backend, 0, bytes) == Result::Done);
            REQUIRE(AwaitedRequest{Operation::Flush, 0}.run(backend) == Result::Done);

            REQUIRE(AwaitedRequest{operation, mib, mib}.run(backend) == Result::Done);
            REQUIRE(read(backend, mib, mib) == std::vector<std::byte>(mib));
            REQUIRE(std::ranges::equal(read(backend, 0, mib), std::span{bytes}.first(mib)));
            struct stat now {};
            REQUIRE(stat(image.path().c_str(), &now) == 0);
            REQUIRE(now.st_size == 4 * mib);
            REQUIRE(static_cast<std::uint64_t>(now.st_blocks) * 512 < 2 * mib);
        }
    }
}

TEST_CASE("What the kernel finds no thread for is done all the same", "[storage]")
{
    if (::geteuid() != 0) {
        WARN("not tested: needs root, whose threads are not limited");
        return;
    }
    TestImage const image{4 * mib, "/dev/shm"};
    FileBackend backend{image.path(), {}, ring()};
    auto bytes = pattern(4 * mib, 4);
    REQUIRE(write(backend, 0, bytes) == Result::Done);
    rlimit before{};
    REQUIRE(getrlimit(RLIMIT_NPROC, &before) == 0);
    rlimit const none{0, before.rlim_max};
    REQUIRE(setrlimit(RLIMIT_NPROC, &none) == 0);
    AwaitedRequest request{Operation::Discard, mib, mib};
    std::thread{[&] {
        constexpr long nobody = 65534;
        // The system call is about its thread alone, unlike the function of the C library.
        REQUIRE(::syscall(SYS_setresuid, nobody, nobody, nobody) == 0);
        REQUIRE_FALSE(backend.submit(request));
    }}.join();
    CHECK(request.wait() == Result::Done);
    REQUIRE(setrlimit(RLIMIT_NPROC, &before) == 0);
    CHECK(std::ranges::count(read(backend, mib, mib), std::byte{0}) == mib);
}

TEST_CASE("An image that was cut short gives errors, and is not made longer again", "[storage]")
{
    for (auto const& folder : folders) {
        TestImage const image{4 * mib, folder};
        FileBackend backend{image.path(), {}, ring()};
        image.resize(mib);

        std::vector<std::byte> bytes(8192);
        AwaitedRequest beyond{Operation::Read, 2 * mib};
        beyond.add(bytes);
        REQUIRE(beyond.run(backend) == Result::Shrunk);
        AwaitedRequest across{Operation::Read, mib - 4096};
        across.add(bytes);
        REQUIRE(across.run(backend) == Result::Shrunk);
        REQUIRE(read(backend, 0, 4096) == std::vector<std::byte>(4096)); // what is left can be saved

        REQUIRE(write(backend, 2 * mib, bytes) == Result::Shrunk);
        REQUIRE(AwaitedRequest{Operation::Flush, 0}.run(backend) == Result::Shrunk);
        REQUIRE(AwaitedRequest{Operation::WriteZeroes, 3 * mib, 4096}.run(backend) == Result::Shrunk);
        REQUIRE(image.size() == mib);
    }
}

TEST_CASE("A write that the host has no room for fails alone", "[storage]")
{
    // A limit on the size of files stands for a full file system: both stop the same system call.
    TestImage const image{4 * mib, "/dev/shm"};
    FileBackend backend{image.path(), {}, ring()};
    auto bytes = pattern(4096, 4);
    REQUIRE(write(backend, 0, bytes) == Result::Done);

    rlimit before{};
    REQUIRE(getrlimit(RLIMIT_FSIZE, &before) == 0);
    auto* const handler = std::signal(SIGXFSZ, SIG_IGN);
    rlimit const limited{mib, before.rlim_max};
    REQUIRE(setrlimit(RLIMIT_FSIZE, &limited) == 0);
    auto const result = write(backend, 2 * mib, bytes);
    auto const below = write(backend, 4096, bytes);
    REQUIRE(setrlimit(RLIMIT_FSIZE, &before) == 0);
    std::signal(SIGXFSZ, handler);

    REQUIRE(result == Result::NoSpace);
    REQUIRE(below == Result::Done);
    REQUIRE(read(backend, 0, 4096) == bytes);
    REQUIRE(write(backend, 2 * mib, bytes) == Result::Done);
}

TEST_CASE("An image is kept from being used twice, but for reading", "[storage]")
{
    TestImage const image{mib};
    {
        FileBackend const writer{image.path(), {}, ring()};
        REQUIRE(contains(complaint(image.path()), "in use"));
        REQUIRE(contains(complaint(image.path(), {.read_only = true}), "in use"));
    }
    FileBackend const reader{image.path(), {.read_only = true}, ring()};
    REQUIRE(complaint(image.path(), {.read_only = true}).empty());
    REQUIRE(contains(complaint(image.path()), "in use"));
}

TEST_CASE("An image that must not be used says how it may be", "[storage]")
{
    // Files of sysfs keep to their mode also for root.
    REQUIRE(contains(complaint("/sys/kernel/uevent_seqnum"),
                     "must not be written by you: check its permissions, or add"));
    REQUIRE(contains(complaint("/sys/bus/platform/uevent", {.read_only = true}), "must not be read by you"));
}

TEST_CASE("What may have to ask a server is left to the kernel's workers", "[storage]")
{
    // sysfs stands for FUSE: its files can be polled too, and an io_uring would read them on the thread that submits.
    std::atomic<bool> read_here{false};
    auto const watching = std::make_shared<IoRing>(nullptr, [&](io_uring* inside) {
        auto const& last = inside->sq.sqes[(inside->sq.sqe_tail - 1) & *inside->sq.kring_mask];
        if (last.opcode == IORING_OP_READV && (last.flags & IOSQE_ASYNC) == 0) read_here = true;
        return io_uring_submit(inside);
    });
    FileBackend backend{"/sys/kernel/uevent_seqnum", {.read_only = true}, watching};
    std::vector<std::byte> bytes(512);
    AwaitedRequest request{Operation::Read, 0};
    request.add(bytes);
    REQUIRE(request.run(backend) == Result::Shrunk); // it has a few digits
    REQUIRE(bytes[0] != std::byte{0});
    REQUIRE_FALSE(read_here);
}

TEST_CASE("What can be no disk is refused in one line", "[storage]")
{
    REQUIRE(contains(complaint("/nowhere/disk.img"), "does not exist"));
    REQUIRE(contains(complaint("/tmp"), "is a folder"));
    REQUIRE(contains(complaint("/dev/null"), "neither a file nor a block device"));
    REQUIRE(contains(complaint(TestImage{0}.path()), "is empty"));
    REQUIRE(contains(complaint(TestImage{1000}.path()), "no multiple of 512"));
    REQUIRE(contains(complaint(TestImage{3 * 512}.path(), {.read_only = true, .block_size = 2048}),
                     "no multiple of 2048"));
}

} // namespace devices::block
