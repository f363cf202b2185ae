// What Porthole asks of swtpm, and what it makes of answers, with a peer of the test's.
#include "devices/tpm/swtpm.hpp"
#include "devices/tpm/testing/fake_swtpm.hpp"
#include "hv/testing/catch.hpp"

#include <algorithm>
#include <future>

using namespace devices::tpm;
using namespace devices::tpm::testing;
using namespace std::chrono_literals;
using Catch::Contains;

namespace {

using Asked = std::vector<std::uint32_t>;
Asked const beginning{16, 14, 17, 2}; // SET_DATAFD, STOP, SET_BUFFERSIZE, INIT
Asked const beginning_twice{16, 14, 17, 2, 14, 17, 2};

struct Warnings {
    Swtpm::Warn take()
    {
        return [this](std::string const& text) { said.set_value(text); }; // a second one would throw
    }
    std::promise<std::string> said;
};

Bytes answer_to(Swtpm& swtpm, Bytes command = header(0x17B))
{
    auto const waiter = std::make_shared<Awaited>();
    swtpm.submit(std::move(command), waiter);
    return waiter->wait();
}

std::string complaint_about(FakeSwtpm::Behaviour behaviour, Swtpm::Patience patience = {})
{
    FakeSwtpm fake{std::move(behaviour)};
    try {
        Swtpm const swtpm{fake.process(), [](auto const&) {}, patience};
    } catch (std::runtime_error const& error) {
        return error.what();
    }
    return "nothing";
}

} // namespace

TEST_CASE("swtpm is given a socket, and begins", "[tpm][threads]")
{
    FakeSwtpm fake;
    Swtpm swtpm{fake.process(), [](auto const&) {}};
    CHECK(fake.asked() == beginning);
    CHECK(answer_to(swtpm) == header(0));
}

TEST_CASE("a command comes to swtpm as it is, and so does the response", "[tpm][threads]")
{
    Bytes longest(most_bytes, std::byte{0x5A});
    std::ranges::copy(header(0, most_bytes), longest.begin());
    Bytes seen;
    FakeSwtpm fake{{.respond = [&](Bytes const& command) {
        seen = command;
        return longest;
    }}};
    Swtpm swtpm{fake.process(), [](auto const&) {}};
    auto const command = header(0x144, 12);
    CHECK(answer_to(swtpm, command) == longest);
    fake.end(); // its thread has written what was seen
    CHECK(seen == command);
}

TEST_CASE("a TPM that was used begins anew with the machine", "[tpm][threads]")
{
    FakeSwtpm fake;
    Swtpm swtpm{fake.process(), [](auto const&) {}};
    swtpm.reset(); // of the first machine: it is as new
    CHECK(answer_to(swtpm) == header(0));
    CHECK(fake.asked() == beginning);
    swtpm.reset();
    CHECK(answer_to(swtpm) == header(0));
    CHECK(fake.asked() == beginning_twice);
}

TEST_CASE("a swtpm that does not begin is refused", "[tpm][threads]")
{
    CHECK_THAT(complaint_about({.refuses = 16}), Contains("takes no socket"));
    CHECK_THAT(complaint_about({.refuses = 2}),
               Contains("answers command 2 with 0x9: it has ended as the test wants"));
    CHECK_THAT(complaint_about({.ends_with = 17}), Contains("swtpm has ended as the test wants"));
    CHECK_THAT(complaint_about({.ignores = 2}, {.to_begin = 1ms}), Contains("does not answer"));
}

TEST_CASE("when swtpm is killed, the guest's commands fail, and it is said once", "[tpm][threads][hostile]")
{
    FakeSwtpm fake;
    Warnings warnings;
    Swtpm swtpm{fake.process(), warnings.take()};
    fake.end();
    CHECK_THAT(warnings.said.get_future().get(), Contains("the TPM is lost: swtpm has ended as the test"));
    CHECK(answer_to(swtpm).empty());
    swtpm.reset();
    CHECK(answer_to(swtpm).empty());
}

TEST_CASE("when swtpm ends in a command, that fails", "[tpm][threads][hostile]")
{
    FakeSwtpm fake{{.ends_on_command = true}};
    Warnings warnings;
    Swtpm swtpm{fake.process(), warnings.take()};
    CHECK(answer_to(swtpm).empty());
    CHECK_THAT(warnings.said.get_future().get(), Contains("the TPM is lost"));
}

TEST_CASE("a response that cannot be one makes the TPM a lost one", "[tpm][threads][hostile]")
{
    auto const size = GENERATE(0U, 9U, static_cast<std::uint32_t>(most_bytes) + 1, 0xFFFF'FFFFU);
    FakeSwtpm fake{{.respond = [size](Bytes const&) { return header(0, size); }}};
    Warnings warnings;
    Swtpm swtpm{fake.process(), warnings.take()};
    CHECK(answer_to(swtpm).empty());
    CHECK_THAT(warnings.said.get_future().get(), Contains("gives a response of"));
}

TEST_CASE("a swtpm that hangs holds nobody up", "[tpm][threads][hostile]")
{
    FakeSwtpm fake{{.respond = [](Bytes const&) { return Bytes{}; }}};
    {
        Swtpm swtpm{fake.process(), [](auto const&) {}};
        auto const waiter = std::make_shared<Awaited>();
        swtpm.submit(header(1), waiter);
        swtpm.reset();
        swtpm.submit(header(2), waiter);
    } // ends although nothing is answered
    FakeSwtpm other{{.respond = [](Bytes const&) { return Bytes{}; }}};
    Warnings warnings;
    Swtpm swtpm{other.process(), warnings.take(), {.for_command = 1ms}};
    CHECK(answer_to(swtpm).empty());
    CHECK_THAT(warnings.said.get_future().get(), Contains("does not answer"));
}
