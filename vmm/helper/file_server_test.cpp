#include "hv/testing/catch.hpp"
#include "vmm/cli/testing/porthole.hpp"
#include "vmm/helper/file_opener.hpp"
#include "vmm/helper/file_server.hpp"
#include "vmm/helper/messages.hpp"

#include <linux/limits.h>

#include <array>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <optional>
#include <span>
#include <stdexcept>
#include <string>
#include <sys/socket.h>
#include <thread>
#include <tuple>
#include <unistd.h>
#include <utility>
#include <vector>

namespace vmm::helper {

using devices::FileAccess;
using testing::Folder;

namespace {

std::pair<UniqueFd, UniqueFd> sockets()
{
    std::array<int, 2> ends{};
    REQUIRE(::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends.data()) == 0);
    return {UniqueFd{ends[0]}, UniqueFd{ends[1]}};
}

std::vector<std::byte> request_bytes(std::uint32_t access, std::string const& path)
{
    std::vector<std::byte> bytes(sizeof access + path.size());
    std::memcpy(bytes.data(), &access, sizeof access);
    std::memcpy(bytes.data() + sizeof access, path.data(), path.size());
    return bytes;
}

/// The server's work on a thread of the test's, for one file.
struct Server {
    explicit Server(std::string const& file)
    {
        auto policy = std::make_shared<FilePolicy>();
        policy->allow(file, FileAccess::Read);
        std::tie(porthole, end) = sockets();
        thread = std::thread{[this, policy] { serve_files(end.get(), policy); }};
    }
    ~Server()
    {
        porthole.reset();
        thread.join();
    }

    /// What is answered to these bytes; nothing when the server lets the socket go.
    [[nodiscard]] std::optional<Answer> answer_to(std::span<std::byte const> bytes) const
    {
        auto [here, there] = sockets();
        REQUIRE(send_passing(porthole.get(), bytes, std::array{there.get()}, 0));
        there.reset();
        return receive_answer(here.get(), -1);
    }

    UniqueFd porthole;
    UniqueFd end;
    std::thread thread;
};

} // namespace

TEST_CASE("a request for a file is read back as it was written", "[helper][files]")
{
    auto const request = parse_file_request(request_bytes(1, "/some/where"));
    REQUIRE(request);
    CHECK(request->access == FileAccess::ReadWrite);
    CHECK(request->path == "/some/where");
    CHECK(parse_file_request(request_bytes(0, std::string(PATH_MAX - 1, 'a'))));
}

TEST_CASE("what is no request for a file is known as such", "[helper][files][hostile]")
{
    CHECK_FALSE(parse_file_request({}));
    CHECK_FALSE(parse_file_request(request_bytes(0, "")));
    CHECK_FALSE(parse_file_request(request_bytes(2, "/file")));
    CHECK_FALSE(parse_file_request(request_bytes(0, std::string{"/fi\0le", 6})));
    CHECK_FALSE(parse_file_request(request_bytes(0, std::string(PATH_MAX, 'a'))));
}

TEST_CASE("the server answers with a file or with why not, whatever else it is sent", "[helper][files][hostile]")
{
    Folder const folder;
    auto const file = folder.file("file", "content");
    Server const server{file};
    // Nobody can be told what is wrong with these.
    REQUIRE(send_passing(server.porthole.get(), request_bytes(0, file), {}, 0));
    REQUIRE(send_passing(server.porthole.get(), request_bytes(0, file), std::array{0, 0}, 0));

    CHECK(server.answer_to(request_bytes(7, file))->error == EINVAL);
    CHECK(server.answer_to(request_bytes(0, "/etc/passwd"))->error == EPERM);
    CHECK(server.answer_to(request_bytes(1, file))->error == EPERM);
    auto const answer = server.answer_to(request_bytes(0, file));
    REQUIRE((answer && answer->error == 0 && answer->descriptors[0]));
    std::array<char, 16> text{};
    CHECK(::read(answer->descriptors[0].get(), text.data(), text.size()) == 7);
}

TEST_CASE("a process that opens files and has ended is known as such", "[helper][files]")
{
    FileOpener const opener{std::array{0, 1, 2}, []() -> FilePolicy { throw std::runtime_error{"no policy"}; }};
    CHECK_FALSE(devices::open_host_file("/etc/passwd", FileAccess::Read));
    CHECK(errno == EPIPE);
}

TEST_CASE("Porthole's files are opened by a process of its own, until that has gone", "[helper][files]")
{
    Folder const folder;
    auto const file = folder.file("file", "content");
    auto const late = folder.path("late");
    std::array<int, 3> const kept{0, 1, 2};
    {
        FileOpener const opener{kept, [&] {
                                    FilePolicy policy;
                                    policy.allow(file, FileAccess::Read);
                                    policy.allow(late, FileAccess::Read);
                                    return policy;
                                }};
        CHECK(devices::open_host_file(file.c_str(), FileAccess::Read));
        CHECK_FALSE(devices::open_host_file(late.c_str(), FileAccess::Read));
        CHECK(errno == ENOENT);
        (void)folder.file("late", "comes later");
        CHECK(devices::open_host_file(late.c_str(), FileAccess::Read));
        CHECK_FALSE(devices::open_host_file("/etc/passwd", FileAccess::Read));
        CHECK(errno == EPERM);
        CHECK_FALSE(devices::open_host_file("", FileAccess::Read));
        CHECK(errno == ENOENT);
        CHECK_FALSE(devices::open_host_file(std::string(PATH_MAX, 'a').c_str(), FileAccess::Read));
        CHECK(errno == ENAMETOOLONG); // as without the process
    }
    CHECK(devices::open_host_file("/etc/passwd", FileAccess::Read)); // by itself again
}

} // namespace vmm::helper
