#include "devices/block/nbd_backend.hpp"
#include "devices/block/testing/answers.hpp"
#include "devices/block/testing/image.hpp"
#include "devices/block/testing/nbd_server.hpp"
#include "hv/testing/catch.hpp"

#include <chrono>
#include <poll.h>
#include <stop_token>
#include <string>
#include <sys/socket.h>
#include <sys/un.h>
#include <thread>
#include <vector>

namespace devices::block {

namespace {

using namespace std::chrono_literals;
using testing::AwaitedRequest;
using testing::Notices;
using testing::socket_path;
using testing::TestImage;
using testing::uri;
using Server = testing::NbdServer;

constexpr std::uint64_t mib = 1 << 20;

} // namespace

TEST_CASE("An NBD server holds a disk", "[storage][nbd]")
{
    Server const server{socket_path(), {"memory", "8M"}};
    NbdBackend backend{uri(), {}};
    REQUIRE(backend.properties().size == 8 * mib);

    std::vector<std::byte> bytes(12'288, std::byte{0x5A});
    AwaitedRequest write{Operation::Write, 4096};
    write.add(std::span{bytes}.first(512));
    write.add(std::span{bytes}.subspan(512));
    REQUIRE(write.run(backend) == Result::Done);
    REQUIRE(AwaitedRequest{Operation::Flush, 0}.run(backend) == Result::Done);
    REQUIRE(AwaitedRequest{Operation::WriteZeroes, 4096, 4096}.run(backend) == Result::Done);
    REQUIRE(AwaitedRequest{Operation::Discard, mib, mib}.run(backend) == Result::Done);

    std::vector<std::byte> back(bytes.size());
    AwaitedRequest read{Operation::Read, 4096};
    read.add(std::span{back}.first(8192));
    read.add(std::span{back}.subspan(8192));
    REQUIRE(read.run(backend) == Result::Done);
    std::fill_n(bytes.begin(), 4096, std::byte{0});
    REQUIRE(back == bytes);
}

TEST_CASE("A server that cannot write zeroes is sent them", "[storage][nbd]")
{
    Server const server{socket_path(), {"--filter=nozero", "memory", "8M"}};
    NbdBackend backend{uri(), {}};
    std::vector<std::byte> bytes(3 * mib, std::byte{0x5A});
    AwaitedRequest write{Operation::Write, 0};
    write.add(bytes);
    REQUIRE(write.run(backend) == Result::Done);
    REQUIRE(AwaitedRequest{Operation::WriteZeroes, 512, 3 * mib - 1024}.run(backend) == Result::Done);
    AwaitedRequest read{Operation::Read, 0};
    std::vector<std::byte> back(bytes.size());
    read.add(back);
    REQUIRE(read.run(backend) == Result::Done);
    REQUIRE(back.front() == std::byte{0x5A});
    REQUIRE(back.back() == std::byte{0x5A});
    REQUIRE(std::all_of(back.begin() + 512, back.end() - 512, [](auto b) { return b == std::byte{0}; }));
}

TEST_CASE("A flush is answered after the server's flush has finished", "[storage][nbd]")
{
    TestImage const marker{0};
    Server const server{socket_path(),
                        {"eval", "get_size=echo 1M", "can_write=exit 0", "can_flush=exit 0", "pwrite=cat > /dev/null",
                         "pread=exit 1", "flush=sleep 0.2; echo flushed > " + marker.path()}};
    NbdBackend backend{uri(), {}};
    std::vector<std::byte> bytes(4096);
    AwaitedRequest write{Operation::Write, 0};
    write.add(bytes);
    REQUIRE(write.run(backend) == Result::Done);
    REQUIRE(marker.size() == 0);
    REQUIRE(AwaitedRequest{Operation::Flush, 0}.run(backend) == Result::Done);
    REQUIRE(marker.size() != 0);
}

TEST_CASE("A flush that a write with FUA has become is answered, though it still has the write's length",
          "[storage][nbd]")
{
    Server const server{socket_path(), {"memory", "1M"}};
    NbdBackend backend{uri(), {}};
    REQUIRE(AwaitedRequest{Operation::Flush, 0, 4096}.run(backend) == Result::Done);
}

TEST_CASE("While its server is gone a disk gives errors, and works again when it is back", "[storage][nbd]")
{
    Notices notices;
    std::optional<Server> server;
    server.emplace(socket_path(), std::vector<std::string>{"memory", "1M"});
    NbdBackend backend{uri(), notices.how()};
    std::vector<std::byte> bytes(4096);
    AwaitedRequest write{Operation::Write, 0};
    write.add(bytes);
    REQUIRE(write.run(backend) == Result::Done);

    server.reset();
    REQUIRE(notices.wait_for("lost its server"));
    AwaitedRequest during{Operation::Read, 0};
    during.add(bytes);
    REQUIRE(during.run(backend) == Result::Unreachable);

    server.emplace(socket_path(), std::vector<std::string>{"memory", "1M"});
    REQUIRE(notices.wait_for("has its server again"));
    AwaitedRequest after{Operation::Read, 0};
    after.add(bytes);
    REQUIRE(after.run(backend) == Result::Done);
    // What was written, and never flushed, went with the old server.
    REQUIRE(AwaitedRequest{Operation::Flush, 0}.run(backend) == Result::Failed);
    REQUIRE(AwaitedRequest{Operation::Flush, 0}.run(backend) == Result::Done);
}

TEST_CASE("A disk whose server never answers can be stopped", "[storage][nbd]")
{
    Server const server{socket_path(), {"--filter=delay", "memory", "1M", "rdelay=3600"}};
    NbdBackend backend{uri(), {}};
    std::vector<std::byte> bytes(4096);
    AwaitedRequest read{Operation::Read, 0};
    read.add(bytes);
    REQUIRE_FALSE(backend.submit(read));
    backend.stop();
    REQUIRE(read.wait() == Result::Unreachable);
    AwaitedRequest later{Operation::Flush, 0};
    REQUIRE(later.run(backend) == Result::Unreachable);
}

TEST_CASE("An NBD server that is no use is refused in one line", "[storage][nbd]")
{
    ::unlink(socket_path().c_str());
    REQUIRE_THROWS_AS((NbdBackend{uri(), {}}), OpenError);
    Server const server{socket_path(), {"--filter=readahead", "-r", "memory", "1M"}};
    REQUIRE_THROWS_AS((NbdBackend{uri(), {}}), OpenError);
    REQUIRE_NOTHROW(NbdBackend{uri(), {.read_only = true}});

    REQUIRE(NbdBackend::is_uri("nbd://host/export"));
    REQUIRE(NbdBackend::is_uri("nbd+unix:///?socket=/run/nbd"));
    REQUIRE_FALSE(NbdBackend::is_uri("nbd.img"));
}

namespace {

std::vector<std::byte> numbered(std::size_t size, unsigned seed)
{
    std::vector<std::byte> bytes(size);
    for (auto& byte : bytes)
        byte = static_cast<std::byte>((seed = seed * 1664525 + 1013904223) >> 24);
    return bytes;
}

/// A disk, and what must be on it.
class Checked {
  public:
    explicit Checked(Backend& backend) : backend_{backend}, expected_(backend.properties().size) {}

    void write(std::uint64_t offset, std::size_t size, std::size_t piece)
    {
        auto bytes = numbered(size, ++seed_);
        AwaitedRequest request{Operation::Write, offset};
        for (std::size_t at = 0; at < size; at += piece)
            request.add(std::span{bytes}.subspan(at, std::min(piece, size - at)));
        REQUIRE(request.run(backend_) == Result::Done);
        std::ranges::copy(bytes, expected_.begin() + static_cast<std::ptrdiff_t>(offset));
    }
    void zero(std::uint64_t offset, std::size_t size)
    {
        REQUIRE(AwaitedRequest{Operation::WriteZeroes, offset, size}.run(backend_) == Result::Done);
        std::fill_n(expected_.begin() + static_cast<std::ptrdiff_t>(offset), size, std::byte{0});
    }
    void check(std::uint64_t offset, std::size_t size, std::size_t piece)
    {
        std::vector<std::byte> back(size, std::byte{0xEE});
        AwaitedRequest request{Operation::Read, offset};
        for (std::size_t at = 0; at < size; at += piece)
            request.add(std::span{back}.subspan(at, std::min(piece, size - at)));
        REQUIRE(request.run(backend_) == Result::Done);
        CHECK(std::equal(back.begin(), back.end(), expected_.begin() + static_cast<std::ptrdiff_t>(offset)));
    }

  private:
    Backend& backend_;
    std::vector<std::byte> expected_;
    unsigned seed_ = 0;
};

void use_all_over(Backend& backend)
{
    auto const size = backend.properties().size;
    Checked disk{backend};
    disk.write(0, size, size);
    disk.check(0, size, 4096);
    for (auto const offset : {0U, 512U, 3584U, 4096U, 65'536U - 512, 200'192U}) {
        for (auto const length : {512U, 1024U, 4096U, 4608U, 65'536U, 70'144U, 300'032U}) {
            disk.write(offset, length, 512);
            disk.check(offset, length, length);
            disk.zero(offset + 512, length);
            disk.write(offset + 1024, 512, 512);
        }
    }
    disk.write(size - 512, 512, 512);
    disk.check(size - 1024, 1024, 512);
    REQUIRE(AwaitedRequest{Operation::Flush, 0}.run(backend) == Result::Done);
    disk.check(0, size, 100'352);
    for (auto const offset : {0U, 512U, 4096U}) // advice: nothing is known of the content then
        REQUIRE(AwaitedRequest{Operation::Discard, offset, size - offset}.run(backend) == Result::Done);
}

} // namespace

TEST_CASE("A server that insists on its block sizes is a disk with sectors of 512 bytes", "[storage][nbd]")
{
    struct Case {
        std::vector<std::string> sizes;
        std::uint32_t physical;
        std::uint32_t preferred;
    };
    std::vector<Case> const cases{
        {{"blocksize-minimum=4096"}, 4096, 0},
        {{"blocksize-minimum=512", "blocksize-preferred=4096", "blocksize-maximum=4096"}, 4096, 0},
        {{"blocksize-minimum=4096", "blocksize-preferred=32K", "blocksize-maximum=64K"}, 4096, 32'768},
        {{"blocksize-minimum=64K", "blocksize-preferred=64K", "blocksize-maximum=64K"}, 65'536, 0},
        {{"blocksize-minimum=1", "blocksize-preferred=512", "blocksize-maximum=64K"}, 4096, 0},
    };
    // With zeroes, without them, and with ones that the server writes itself.
    for (auto const* const zeroes : {"plugin", "none", "notrim"}) {
        for (auto const& one : cases) {
            CAPTURE(one.sizes, zeroes);
            std::vector<std::string> words{
                "--filter=blocksize-policy",      "--filter=nozero", "memory", "1M", "blocksize-error-policy=error",
                std::string{"zeromode="} + zeroes};
            words.insert(words.end(), one.sizes.begin(), one.sizes.end());
            Server const server{socket_path(), words};
            NbdBackend backend{uri(), {}};
            CHECK(backend.properties().physical_block == one.physical);
            CHECK(backend.properties().preferred_transfer == one.preferred);
            use_all_over(backend);
        }
    }
}

TEST_CASE("Two halves of a block may be written at the same time", "[storage][nbd]")
{
    Server const server{socket_path(),
                        {"--filter=blocksize-policy", "--filter=delay", "memory", "1M", "blocksize-minimum=4096",
                         "blocksize-error-policy=error", "wdelay=20ms", "rdelay=20ms"}};
    NbdBackend backend{uri(), {}};
    auto bytes = numbered(8192, 7);
    std::vector<std::unique_ptr<AwaitedRequest>> writes;
    for (std::uint64_t at = 0; at < bytes.size(); at += 512) {
        writes.push_back(std::make_unique<AwaitedRequest>(Operation::Write, at));
        writes.back()->add(std::span{bytes}.subspan(at, 512));
    }
    for (auto const& write : writes)
        REQUIRE_FALSE(backend.submit(*write));
    for (auto const& write : writes)
        REQUIRE(write->wait() == Result::Done);
    std::vector<std::byte> back(bytes.size());
    AwaitedRequest read{Operation::Read, 0};
    read.add(back);
    REQUIRE(read.run(backend) == Result::Done);
    CHECK(back == bytes);
}

TEST_CASE("A server that refuses long commands without data is sent short ones", "[storage][nbd]")
{
    TestImage const marker{0};
    // EINVAL for more than 64 KiB at a time.
    std::string const limit =
        "[ $3 -le 65536 ] || { echo EINVAL too long >&2; exit 1; }; echo $3 >> " + marker.path();
    Server const server{socket_path(),
                        {"eval", "get_size=echo 1M", "can_write=exit 0", "can_zero=exit 0", "can_trim=exit 0",
                         "block_size=echo 512 4096 65536", "pread=exit 1", "pwrite=exit 1", "zero=" + limit,
                         "trim=" + limit}};
    NbdBackend backend{uri(), {}};
    REQUIRE(AwaitedRequest{Operation::WriteZeroes, 0, 512 << 10}.run(backend) == Result::Done);
    auto const eight_lines = marker.size();
    CHECK(eight_lines == 8 * std::string{"65536\n"}.size());
    REQUIRE(AwaitedRequest{Operation::Discard, 512, 100'352}.run(backend) == Result::Done);
    CHECK(marker.size() == eight_lines + std::string{"65536\n34816\n"}.size());
}

TEST_CASE("A server whose zeroes fail is sent zeros as data, and one whose trim fails is not believed",
          "[storage][nbd]")
{
    Server const server{socket_path(),
                        {"--filter=error", "memory", "1M", "error-trim=EIO", "error-trim-rate=100%",
                         "error-zero=EINVAL", "error-zero-rate=100%"}};
    NbdBackend backend{uri(), {}};
    Checked disk{backend};
    disk.write(0, mib, mib);
    disk.zero(512, 300'032);
    disk.check(0, mib, mib);
    CHECK(AwaitedRequest{Operation::Discard, 0, mib}.run(backend) == Result::Done);
}

TEST_CASE("An export whose end no whole block reaches is refused in one line", "[storage][nbd]")
{
    Server const server{socket_path(),
                        {"--filter=blocksize-policy", "memory", "1049088", "blocksize-minimum=4096"}}; // 1 MiB + 512
    REQUIRE_THROWS_WITH((NbdBackend{uri(), {}}),
                        Catch::Contains("no multiple of the 4096") && Catch::Contains("truncate -s %4096"));
}

TEST_CASE("A server that stands still takes no more than its share of the guest's memory for I/O", "[storage][nbd]")
{
    Server const server{socket_path(), {"--filter=delay", "memory", "8M", "rdelay=3600", "wdelay=3600"}};
    auto const memory = std::make_shared<IoBudget>(8 * mib);
    std::vector<std::byte> bytes(mib);
    std::vector<std::unique_ptr<AwaitedRequest>> requests;
    {
        NbdBackend backend{uri(), {.memory = memory}};
        for (unsigned n = 0; n < 64; ++n) {
            requests.push_back(std::make_unique<AwaitedRequest>(n % 2 == 0 ? Operation::Read : Operation::Write, 0));
            requests.back()->add(std::span{bytes}.first(mib / 2)); // two buffers, so that it needs a copy
            requests.back()->add(std::span{bytes}.last(mib / 2));
            REQUIRE_FALSE(backend.submit(*requests.back()));
        }
        while (memory->used() < 4 * mib)
            std::this_thread::yield();
        backend.stop();
        for (auto const& request : requests)
            CHECK(request->wait() == Result::Unreachable);
    }
    CHECK(memory->used() == 0);
    CHECK(memory->most_used() <= 4 * mib);
}

TEST_CASE("With all memory for I/O taken a disk goes on, in small pieces", "[storage][nbd]")
{
    Server const server{socket_path(), {"memory", "8M"}};
    auto const memory = std::make_shared<IoBudget>(mib);
    IoBudget::Account others{*memory, [] {}};
    others.take_always(mib);
    NbdBackend backend{uri(), {.memory = memory}};
    Checked disk{backend};
    disk.write(512, 3 * mib, 4096);
    disk.check(0, 4 * mib, 4096);
    CHECK(memory->most_used() <= mib + (64 << 10));
    others.give_back(mib);
    disk.check(0, 4 * mib, 4096);
}

TEST_CASE("Connecting to a server that does not answer can be stopped", "[storage][nbd]")
{
    ::unlink(socket_path().c_str());
    int const listener = socket(AF_UNIX, SOCK_STREAM, 0);
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    socket_path().copy(address.sun_path, sizeof address.sun_path - 1);
    REQUIRE(bind(listener, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0);
    REQUIRE(listen(listener, 1) == 0);

    std::stop_source stop;
    int connection = -1;
    std::thread silent{[&] {
        connection = accept(listener, nullptr, nullptr); // and never greets
        stop.request_stop();
    }};
    CHECK_THROWS_WITH((NbdBackend{uri(), {.stop = stop.get_token()}}), Catch::Contains("stopped"));
    silent.join();
    close(connection);
    close(listener);
}

} // namespace devices::block
