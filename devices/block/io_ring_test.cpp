#include "devices/block/io_ring.hpp"
#include "devices/block/testing/answers.hpp"
#include "hv/testing/catch.hpp"
#include "hv/testing/rest.hpp"

#include <array>
#include <atomic>
#include <cerrno>
#include <condition_variable>
#include <mutex>
#include <span>
#include <unistd.h>
#include <vector>

namespace devices::block {

namespace {

/// A step that does nothing in the kernel, and counts how it ended.
class NopClient final : public RingClient {
  public:
    void prepare(io_uring_sqe& entry, Request&) override { io_uring_prep_nop(&entry); }
    void ended(Request& request, int result) override
    {
        request.completed(result == 0 ? Result::Done : Result::Failed);
    }
};

/// Reads from a pipe, which takes as long as the test likes.
class PipeClient final : public RingClient {
  public:
    PipeClient(int pipe, std::span<char> memory) : pipe_{pipe}, memory_{memory} {}
    void prepare(io_uring_sqe& entry, Request&) override
    {
        io_uring_prep_read(&entry, pipe_, memory_.data(), static_cast<unsigned>(memory_.size()), 0);
    }
    void ended(Request& request, int result) override
    {
        request.completed(result >= 0 ? Result::Done : Result::Failed);
    }

  private:
    int const pipe_;
    std::span<char> const memory_;
};

struct Requests {
    explicit Requests(std::size_t count)
    {
        for (std::size_t i = 0; i < count; ++i)
            all.push_back(std::make_unique<testing::AwaitedRequest>(Operation::Flush, 0));
    }
    void begin(IoRing& ring, RingClient& client) const
    {
        for (auto const& request : all)
            ring.begin(client, *request);
    }
    std::vector<std::unique_ptr<testing::AwaitedRequest>> all;
};

} // namespace

TEST_CASE("A ring that the kernel has no memory for is tried again, by its own thread", "[storage][threads]")
{
    for (auto const error : {-EAGAIN, -EBUSY, -ENOMEM, -EINTR}) {
        std::atomic<int> refusals{3};
        NopClient client;
        IoRing ring{nullptr,
                    [&](io_uring* inside) { return refusals.fetch_sub(1) > 0 ? error : io_uring_submit(inside); }};
        Requests const requests{1};
        requests.begin(ring, client);
        CHECK(requests.all.front()->wait() == Result::Done);
    }
}

TEST_CASE("More requests than a ring has entries wait for the kernel, and nobody waits with them",
          "[storage][threads]")
{
    std::atomic<bool> busy{true};
    NopClient client;
    IoRing ring{nullptr, [&](io_uring* inside) { return busy ? -EBUSY : io_uring_submit(inside); }};
    Requests const requests{1000};
    requests.begin(ring, client); // returns although the kernel takes none
    busy = false;
    for (auto const& request : requests.all)
        CHECK(request->wait() == Result::Done);
}

TEST_CASE("What the kernel takes in part is given to it whole", "[storage][threads]")
{
    NopClient client;
    std::atomic<unsigned> calls{0};
    IoRing ring{nullptr, [&](io_uring* inside) { return calls++ % 2 == 0 ? 0 : io_uring_submit(inside); }};
    Requests const requests{500};
    requests.begin(ring, client);
    for (auto const& request : requests.all)
        CHECK(request->wait() == Result::Done);
}

TEST_CASE("A quiesced ring is busy while the kernel reads, and gives it nothing new", "[storage][quiesce][threads]")
{
    int ends[2];
    REQUIRE(pipe(ends) == 0);
    UniqueFd const from{ends[0]};
    UniqueFd const to{ends[1]};
    std::array<char, 4> memory{};
    PipeClient client{from.get(), memory};
    IoRing ring;
    testing::AwaitedRequest read{Operation::Read, 0};
    testing::AwaitedRequest later{Operation::Read, 0};
    ring.begin(client, read);

    hv::testing::Rest rest;
    ring.quiesce(rest.busy());
    ring.quiesce(rest.last()); // another file of the same ring
    CHECK_FALSE(rest.reached());
    ring.begin(client, later);
    REQUIRE(write(to.get(), "first", 4) == 4);
    CHECK(read.wait() == Result::Done);
    rest.wait();
    auto const before = memory;
    REQUIRE(write(to.get(), "next", 4) == 4);
    CHECK_FALSE(later.answered());
    CHECK(memory == before);

    ring.resume();
    CHECK(later.wait() == Result::Done);
    CHECK(memory == std::array{'n', 'e', 'x', 't'});
}

TEST_CASE("What a quiesced ring's kernel does not answer is busy until it is resumed", "[storage][quiesce][threads]")
{
    int ends[2];
    REQUIRE(pipe(ends) == 0);
    UniqueFd const from{ends[0]};
    UniqueFd to{ends[1]};
    std::array<char, 4> memory{};
    PipeClient client{from.get(), memory};
    IoRing ring;
    testing::AwaitedRequest read{Operation::Read, 0};
    ring.begin(client, read);
    hv::testing::Rest rest;
    ring.quiesce(rest.last());
    CHECK_FALSE(rest.reached());
    ring.resume();
    CHECK(rest.reached()); // it keeps nothing that is not wanted any more
    to.reset();
    CHECK(read.wait() == Result::Done);
}

TEST_CASE("What the kernel refuses for good ends with its error, also later", "[storage][threads]")
{
    NopClient client;
    IoRing ring{nullptr, [](io_uring*) { return -EBADF; }};
    Requests const requests{300};
    requests.begin(ring, client);
    for (auto const& request : requests.all)
        CHECK(request->wait() == Result::Failed);
    Requests const later{1};
    later.begin(ring, client);
    CHECK(later.all.front()->wait() == Result::Failed);
}

TEST_CASE("A ring may end on its own thread", "[storage][threads]")
{
    struct LastOne final : Request {
        void completed(Result) noexcept override
        {
            ring.reset();
            std::scoped_lock const lock{mutex};
            gone = true;
            came.notify_all();
        }
        std::shared_ptr<IoRing> ring = std::make_shared<IoRing>();
        std::mutex mutex;
        std::condition_variable came;
        bool gone = false;
    } request;
    NopClient client;
    auto* const ring = request.ring.get();
    ring->begin(client, request);
    std::unique_lock lock{request.mutex};
    request.came.wait(lock, [&] { return request.gone; });
}

} // namespace devices::block
