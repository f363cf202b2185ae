#include "devices/block/nbd_backend.hpp"
#include "devices/block/testing/answers.hpp"
#include "devices/block/testing/image.hpp"
#include "hv/testing/catch.hpp"

#include <chrono>
#include <condition_variable>
#include <csignal>
#include <filesystem>
#include <mutex>
#include <poll.h>
#include <spawn.h>
#include <string>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <vector>

namespace devices::block {

namespace {

using namespace std::chrono_literals;
using testing::AwaitedRequest;
using testing::TestImage;

constexpr std::uint64_t mib = 1 << 20;

/// nbdkit on a UNIX socket, until the object ends. The socket is bound before nbdkit starts, so a client can connect
/// at once.
class Server {
  public:
    Server(std::string path, std::vector<std::string> arguments) : path_{std::move(path)}
    {
        ::unlink(path_.c_str());
        int const listener = socket(AF_UNIX, SOCK_STREAM, 0);
        sockaddr_un address{};
        address.sun_family = AF_UNIX;
        path_.copy(address.sun_path, sizeof address.sun_path - 1);
        bool const listening =
            bind(listener, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0 && listen(listener, 5) == 0;
        REQUIRE(listening);

        // Socket activation: descriptor 3 is the socket, and the process is told that it is meant.
        std::string const script =
            "export LISTEN_FDS=1 LISTEN_PID=$$; exec nbdkit --foreground --exit-with-parent \"$@\"";
        std::vector<std::string> words{"sh", "-c", script, "sh"};
        words.insert(words.end(), arguments.begin(), arguments.end());
        std::vector<char*> argv;
        for (auto& word : words)
            argv.push_back(word.data());
        argv.push_back(nullptr);
        posix_spawn_file_actions_t actions;
        posix_spawn_file_actions_init(&actions);
        posix_spawn_file_actions_adddup2(&actions, listener, 3);
        REQUIRE(posix_spawn(&pid_, "/bin/sh", &actions, nullptr, argv.data(), environ) == 0);
        posix_spawn_file_actions_destroy(&actions);
        close(listener);
    }
    Server(Server const&) = delete;
    Server& operator=(Server const&) = delete;
    ~Server() { kill(); }

    void kill()
    {
        if (pid_ <= 0) return;
        ::kill(pid_, SIGKILL);
        waitpid(pid_, nullptr, 0);
        pid_ = -1;
    }

  private:
    std::string path_;
    pid_t pid_ = -1;
};

std::string socket_path()
{
    return std::filesystem::temp_directory_path() / ("porthole-nbd-" + std::to_string(getpid()));
}
std::string uri()
{
    return "nbd+unix:///?socket=" + socket_path();
}

/// Waits for what a backend tells.
class Notices {
  public:
    [[nodiscard]] NbdBackend::How how()
    {
        return {.notice = [this](std::string const& text) {
            std::scoped_lock const lock{mutex_};
            told_.push_back(text);
            came_.notify_all();
        }};
    }
    [[nodiscard]] bool wait_for(std::string const& part)
    {
        std::unique_lock lock{mutex_};
        return came_.wait_for(lock, 30s, [&] {
            return std::ranges::any_of(told_, [&](auto const& text) { return text.find(part) != std::string::npos; });
        });
    }

  private:
    std::mutex mutex_;
    std::condition_variable came_;
    std::vector<std::string> told_;
};

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

} // namespace devices::block
