// What Discard and WriteZeroes come to where fallocate is particular, or fails.
#include "devices/block/file_backend.hpp"
#include "devices/block/testing/answers.hpp"
#include "devices/block/testing/image.hpp"
#include "devices/block/testing/loop_device.hpp"
#include "hv/testing/catch.hpp"

#include <algorithm>
#include <atomic>
#include <fcntl.h>
#include <mutex>
#include <string>
#include <sys/uio.h>
#include <unistd.h>
#include <vector>

namespace devices::block {

namespace {

using testing::AwaitedRequest;
using testing::TestImage;

constexpr std::uint64_t kib = 1 << 10;
constexpr std::uint64_t size = 1024 * kib;

/// The entry that a backend has made last, before the kernel sees it.
io_uring_sqe& last_entry(io_uring* ring)
{
    return ring->sq.sqes[(ring->sq.sqe_tail - 1) & *ring->sq.kring_mask];
}

std::shared_ptr<IoRing> ring_with(std::function<void(io_uring_sqe&)> change)
{
    return std::make_shared<IoRing>(nullptr, [change = std::move(change)](io_uring* inside) {
        change(last_entry(inside));
        return io_uring_submit(inside);
    });
}

/// A pipe that nothing comes from: reading it is EAGAIN.
struct EmptyPipe {
    EmptyPipe() { REQUIRE(::pipe2(ends, O_NONBLOCK | O_CLOEXEC) == 0); }
    EmptyPipe(EmptyPipe const&) = delete;
    EmptyPipe& operator=(EmptyPipe const&) = delete;
    ~EmptyPipe()
    {
        ::close(ends[0]);
        ::close(ends[1]);
    }
    void become(io_uring_sqe& entry)
    {
        auto const request = entry.user_data;
        io_uring_prep_readv(&entry, ends[0], &memory, 1, 0);
        entry.rw_flags = RWF_NOWAIT;
        entry.user_data = request;
    }
    int ends[2]{};
    char byte = 0;
    iovec memory{&byte, 1};
};

void fill(Backend& backend)
{
    std::vector<std::byte> bytes(size, std::byte{0x5A});
    AwaitedRequest write{Operation::Write, 0};
    write.add(bytes);
    REQUIRE(write.run(backend) == Result::Done);
}

/// Exactly [from, to) reads as zeros.
void check_cleared(Backend& backend, std::uint64_t from, std::uint64_t to)
{
    std::vector<std::byte> bytes(size);
    AwaitedRequest read{Operation::Read, 0};
    read.add(bytes);
    REQUIRE(read.run(backend) == Result::Done);
    bool right = true;
    for (std::uint64_t i = 0; i < size; ++i)
        right = right && bytes[i] == (i >= from && i < to ? std::byte{0} : std::byte{0x5A});
    CHECK(right);
}

struct Span {
    std::uint64_t offset;
    std::uint64_t length;
};
constexpr Span odd_spans[]{{512, 64 * kib},           {512, 512},      {4096, 8192}, {3 * 512, 4096}, {7 * 512, 1024},
                           {4096 - 512, 4096 + 1024}, {512, 300 * kib}};

} // namespace

TEST_CASE("fallocate is asked for whole blocks, and the ends of a range are written", "[storage]")
{
    TestImage const image{size, "/dev/shm"};
    std::atomic<bool> aligned{true};
    auto const check = [&](io_uring_sqe& entry) {
        if (entry.opcode == IORING_OP_FALLOCATE && (entry.off % 4096 != 0 || entry.addr % 4096 != 0)) aligned = false;
    };
    FileBackend backend{image.path(), {.granularity = 4096}, ring_with(check)};
    for (auto const operation : {Operation::WriteZeroes, Operation::Discard}) {
        for (auto const& span : odd_spans) {
            fill(backend);
            REQUIRE(AwaitedRequest{operation, span.offset, span.length}.run(backend) == Result::Done);
            check_cleared(backend, span.offset, span.offset + span.length);
        }
    }
    CHECK(aligned);
}

TEST_CASE("Where fallocate fails zeros are written, whatever the reason", "[storage]")
{
    TestImage const image{size, "/dev/shm"};
    std::mutex mutex;
    std::vector<std::string> told;
    EmptyPipe pipe;
    auto const fail = [&](io_uring_sqe& entry) {
        if (entry.opcode == IORING_OP_FALLOCATE) entry.fd = pipe.ends[1]; // ESPIPE
    };
    auto const notice = [&](std::string const& text) {
        std::scoped_lock const lock{mutex};
        told.push_back(text);
    };
    FileBackend backend{image.path(), {.notice = notice}, ring_with(fail)};
    for (auto const operation : {Operation::WriteZeroes, Operation::Discard}) {
        fill(backend);
        REQUIRE(AwaitedRequest{operation, 512, 300 * kib}.run(backend) == Result::Done);
        check_cleared(backend, 512, 512 + 300 * kib);
    }
    std::scoped_lock const lock{mutex};
    REQUIRE(told.size() == 2);
    CHECK(told.front().find("zeroing failed: Illegal seek") != std::string::npos);
}

TEST_CASE("A system call that was not tried is repeated, but not for ever", "[storage]")
{
    TestImage const image{size, "/var/tmp"};
    EmptyPipe pipe;
    std::atomic<int> refusals{0};
    std::atomic<unsigned> seen{0};
    auto const refuse = [&](io_uring_sqe& entry) {
        if (entry.opcode != IORING_OP_FALLOCATE && entry.opcode != IORING_OP_FSYNC) return;
        ++seen;
        if (refusals.fetch_sub(1) > 0) pipe.become(entry);
    };
    FileBackend backend{image.path(), {}, ring_with(refuse)};
    fill(backend);

    refusals = 3;
    REQUIRE(AwaitedRequest{Operation::Discard, 4096, 8192}.run(backend) == Result::Done);
    CHECK(seen == 4);
    check_cleared(backend, 4096, 3 * 4096);

    refusals = 3;
    REQUIRE(AwaitedRequest{Operation::Flush, 0}.run(backend) == Result::Done);

    refusals = 1'000'000;
    CHECK(AwaitedRequest{Operation::Flush, 0}.run(backend) == Result::Failed);
    CHECK(AwaitedRequest{Operation::WriteZeroes, 64 * kib, 4096}.run(backend) == Result::Done); // by writing
}

TEST_CASE("A device with blocks of 4 KiB is discarded and zeroed at any sector", "[storage]")
{
    TestImage const image{size, "/var/tmp"};
    testing::LoopDevice const device{image.path(), 4096};
    if (device.path().empty()) {
        WARN("not tested: needs a loop device, and root");
        return;
    }
    FileBackend backend{device.path(), {}, std::make_shared<IoRing>()};
    CHECK(backend.properties().physical_block == 4096);
    for (auto const& span : odd_spans) {
        fill(backend);
        REQUIRE(AwaitedRequest{Operation::WriteZeroes, span.offset, span.length}.run(backend) == Result::Done);
        check_cleared(backend, span.offset, span.offset + span.length);
        // Advice: what becomes of the blocks is the device's business.
        REQUIRE(AwaitedRequest{Operation::Discard, span.offset, span.length}.run(backend) == Result::Done);
    }
}

} // namespace devices::block
