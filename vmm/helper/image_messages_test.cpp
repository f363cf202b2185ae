#include "hv/testing/catch.hpp"
#include "vmm/helper/image_messages.hpp"
#include "vmm/helper/server_news.hpp"

#include <array>
#include <sys/socket.h>
#include <unistd.h>

namespace vmm::helper {

namespace {

using devices::block::ImageFormat;
using devices::block::ImageRequest;
using namespace std::string_literals;

struct Pair {
    Pair()
    {
        std::array<int, 2> ends{};
        REQUIRE(::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends.data()) == 0);
        here = UniqueFd{ends[0]};
        there = UniqueFd{ends[1]};
    }
    UniqueFd here;
    UniqueFd there;
};

auto parsed(std::string const& bytes)
{
    return parse_image_request(std::as_bytes(std::span{bytes}));
}

} // namespace

TEST_CASE("a request for an image arrives as it was sent", "[helper][image]")
{
    Pair sockets;
    Pair answers;
    ImageRequest const sent{"/a/b.qcow2", ImageFormat::Qcow2, true, false, "/bases"};
    CHECK(send_image_request(sockets.here.get(), sent, std::move(answers.there)) == 0);
    auto const arrived = receive_image_request(sockets.there.get());
    REQUIRE((arrived.request && arrived.answer));
    CHECK(arrived.request->image == sent.image);
    CHECK(arrived.request->format == sent.format);
    CHECK(arrived.request->told);
    CHECK_FALSE(arrived.request->read_only);
    CHECK(arrived.request->backing == sent.backing);

    CHECK(send_end(arrived.answer.get(), "has ended\nwith a bell\a"));
    CHECK(receive_server_news(answers.here.get(), 0)->end == "has ended with a bell ");
    CHECK(send_connection(arrived.answer.get(), STDERR_FILENO));
    CHECK(receive_server_news(answers.here.get(), 0)->connection);
    CHECK_FALSE(receive_server_news(answers.here.get(), 0));
    sockets.here.reset();
    CHECK(receive_image_request(sockets.there.get()).end);
}

TEST_CASE("what is no request for an image is known as such", "[helper][image][hostile]")
{
    CHECK(parsed("\1\0\0\0/a\0"s));
    CHECK(parsed("\4\1\1\0/a\0/b"s));
    for (auto const& bytes :
         {""s, "\1\0\0\0"s, "\1\0\0\0/a"s, "\1\0\0\0\0/b"s, "\5\0\0\0/a\0"s, "\1\2\0\0/a\0"s, "\1\0\2\0/a\0"s,
          "\1\0\0\1/a\0"s, "\1\0\0\0/a\0/b\0"s, "\1\0\0\0"s + std::string(9000, 'a') + "\0"s})
        CHECK_FALSE(parsed(bytes));

    Pair const sockets;
    REQUIRE(::send(sockets.here.get(), "\1\0\0\0/a\0", 7, 0) == 7); // with no socket for the answer
    auto const arrived = receive_image_request(sockets.there.get());
    CHECK_FALSE(arrived.end);
    CHECK_FALSE(arrived.answer);
}

TEST_CASE("a name that is too long is not asked for", "[helper][image]")
{
    Pair const sockets;
    CHECK(send_image_request(sockets.here.get(), {.image = ""}, {}) == ENOENT);
    CHECK(send_image_request(sockets.here.get(), {.image = std::string(5000, 'a')}, {}) == ENAMETOOLONG);
    CHECK(send_image_request(sockets.here.get(), {.image = "a", .backing = std::string(5000, 'a')}, {}) ==
          ENAMETOOLONG);
}

TEST_CASE("of what a program says the last line is told, without what is no text", "[helper][image]")
{
    CHECK(last_words("one\ntwo\n\n") == "two");
    CHECK(last_words("a\x1B[31mb\tc") == "a [31mb c");
    CHECK(last_words(std::string(5000, 'x')).size() == 400);
    CHECK(last_words("\n").empty());
}

} // namespace vmm::helper
