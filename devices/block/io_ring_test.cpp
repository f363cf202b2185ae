#include "devices/block/io_ring.hpp"
#include "devices/block/ring_setup.hpp"
#include "devices/block/testing/answers.hpp"
#include "hv/testing/catch.hpp"
#include "hv/testing/rest.hpp"

#include <array>
#include <atomic>
#include <cerrno>
#include <condition_variable>
#include <fcntl.h>
#include <functional>
#include <mutex>
#include <netinet/in.h>
#include <poll.h>
#include <span>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>
#include <vector>

namespace devices::block {

namespace {

/// A step that the kernel has done at once: it looks whether an event can be written to.
class ReadyClient final : public RingClient {
  public:
    void prepare(io_uring_sqe& entry, Request&) override { io_uring_prep_poll_add(&entry, event_.get(), POLLOUT); }
    void ended(Request& request, int result) override
    {
        request.completed(result == POLLOUT ? Result::Done : Result::Failed);
    }

  private:
    UniqueFd const event_{eventfd(0, EFD_CLOEXEC)};
};

/// Reads from a pipe, which takes as long as the test likes.
class PipeClient final : public RingClient {
  public:
    PipeClient(int pipe, std::span<char> memory) : pipe_{pipe}, memory_{memory.data(), memory.size()} {}
    void prepare(io_uring_sqe& entry, Request&) override { io_uring_prep_readv(&entry, pipe_, &memory_, 1, 0); }
    void ended(Request& request, int result) override
    {
        request.completed(result >= 0 ? Result::Done : Result::Failed);
    }

  private:
    int const pipe_;
    iovec const memory_;
};

/// One system call of the test's choice, and what came of it.
class AnyClient final : public RingClient {
  public:
    explicit AnyClient(std::function<void(io_uring_sqe&)> fill_in) : fill_in_{std::move(fill_in)} {}
    void prepare(io_uring_sqe& entry, Request&) override { fill_in_(entry); }
    void ended(Request& request, int result) override
    {
        result_ = result;
        request.completed(Result::Done);
    }

    /// -errno, or what the call returned.
    [[nodiscard]] static int result_of(IoRing& ring, std::function<void(io_uring_sqe&)> fill_in)
    {
        AnyClient client{std::move(fill_in)};
        testing::AwaitedRequest request{Operation::Flush, 0};
        ring.begin(client, request);
        (void)request.wait();
        return client.result_;
    }

  private:
    std::function<void(io_uring_sqe&)> const fill_in_;
    int result_ = 0;
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
        ReadyClient client;
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
    ReadyClient client;
    IoRing ring{nullptr, [&](io_uring* inside) { return busy ? -EBUSY : io_uring_submit(inside); }};
    Requests const requests{1000};
    requests.begin(ring, client); // returns although the kernel takes none
    busy = false;
    for (auto const& request : requests.all)
        CHECK(request->wait() == Result::Done);
}

TEST_CASE("What the kernel takes in part is given to it whole", "[storage][threads]")
{
    ReadyClient client;
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
    ReadyClient client;
    IoRing ring{nullptr, [](io_uring*) { return -EBADF; }};
    Requests const requests{300};
    requests.begin(ring, client);
    for (auto const& request : requests.all)
        CHECK(request->wait() == Result::Failed);
    Requests const later{1};
    later.begin(ring, client);
    CHECK(later.all.front()->wait() == Result::Failed);
}

TEST_CASE("A ring does what disks need, and nothing else", "[storage][jail]")
{
    if (!can_restrict_rings()) return; // Linux before 5.10
    IoRing ring;
    auto const result_of = [&](auto... fill_in) { return AnyClient::result_of(ring, fill_in...); };
    UniqueFd const file{memfd_create("image", MFD_CLOEXEC)};
    UniqueFd const stream{socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};
    sockaddr_in nowhere{};
    nowhere.sin_family = AF_INET;
    auto const* const address = reinterpret_cast<sockaddr const*>(&nowhere);
    std::array<char, 4> bytes{};
    iovec const part{bytes.data(), bytes.size()};

    auto const nop = [](auto& entry) { io_uring_prep_nop(&entry); };
    auto const open = [](auto& entry) { io_uring_prep_openat(&entry, AT_FDCWD, "/dev/null", O_RDONLY, 0); };
    auto const connect = [&](auto& entry) { io_uring_prep_connect(&entry, stream.get(), address, sizeof nowhere); };
    auto const socket = [](auto& entry) { io_uring_prep_socket(&entry, AF_INET, SOCK_STREAM, 0, 0); };
    auto const accept = [&](auto& entry) { io_uring_prep_accept(&entry, stream.get(), nullptr, nullptr, 0); };
    auto const send = [&](auto& entry) { io_uring_prep_send(&entry, stream.get(), bytes.data(), 1, 0); };
    auto const unlink = [](auto& entry) { io_uring_prep_unlink(&entry, "/nowhere/at/all", 0); };
    auto const splice = [&](auto& entry) { io_uring_prep_splice(&entry, file.get(), 0, file.get(), 0, 1, 0); };
    CHECK(result_of(nop) == -EACCES);
    CHECK(result_of(open) == -EACCES);
    CHECK(result_of(connect) == -EACCES);
    CHECK(result_of(socket) == -EACCES);
    CHECK(result_of(accept) == -EACCES);
    CHECK(result_of(send) == -EACCES);
    CHECK(result_of(unlink) == -EACCES);
    CHECK(result_of(splice) == -EACCES);

    auto const write = [&](auto& entry) { io_uring_prep_writev(&entry, file.get(), &part, 1, 0); };
    auto const read = [&](auto& entry) { io_uring_prep_readv(&entry, file.get(), &part, 1, 0); };
    auto const read_fixed_file = [&](auto& entry) {
        read(entry);
        io_uring_sqe_set_flags(&entry, IOSQE_FIXED_FILE);
    };
    CHECK(result_of(write) == 4);
    CHECK(result_of(read) == 4);
    CHECK(result_of(read_fixed_file) == -EACCES);
}

TEST_CASE("Nothing can be registered with a ring any more", "[storage][jail]")
{
    if (!can_restrict_rings()) return; // Linux before 5.10
    std::atomic<int> answer{0};
    ReadyClient client;
    IoRing ring{nullptr, [&](io_uring* inside) {
                    answer = io_uring_register_personality(inside);
                    return io_uring_submit(inside);
                }};
    Requests const requests{1};
    requests.begin(ring, client);
    CHECK(requests.all.front()->wait() == Result::Done);
    CHECK(answer == -EACCES);
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
    ReadyClient client;
    auto* const ring = request.ring.get();
    ring->begin(client, request);
    std::unique_lock lock{request.mutex};
    request.came.wait(lock, [&] { return request.gone; });
}

} // namespace devices::block
