#include "hv/testing/catch.hpp"
#include "hv/testing/fabric.hpp"
#include "hv/testing/inspected.hpp"
#include "hv/vp/virtual_processor.hpp"

using namespace hv;
using namespace hv::testing;

TEST_CASE("a VP tells its SynIC, what waits in it, and its timers", "[inspect]")
{
    PartitionRegistry registry;
    TestGuest guest{registry};
    auto& vp = guest.vp();
    Inspected before;
    vp.inspect(before);
    CHECK(before.at("synic/enabled") == "false");
    CHECK(before.nodes_below("synic") == 0);
    CHECK(before.nodes_below("timers") == 0);

    start_synic(guest);
    REQUIRE(vp.write_msr(abi::msr::stimer0_config + 1, 1000));
    REQUIRE(vp.write_msr(abi::msr::stimer0_config, 1 | 4 << 16));
    PendingInterrupts pending;
    MessageBuffer first;
    MessageBuffer second;
    abi::Message message{};
    message.header.type = abi::MessageType{1};
    vp.synic().post_own(Sint{4}, message, first, pending);
    vp.synic().post_own(Sint{4}, message, second, pending);

    Inspected seen;
    vp.inspect(seen);
    CHECK(seen.at("synic/enabled") == "true");
    CHECK(seen.at("synic/simp") == "0x6001");
    CHECK(seen.at("synic/sint 4/vector") == std::to_string(vector_of(Sint{4})));
    CHECK(seen.at("synic/sint 4/messages_waiting") == "1");
    CHECK(seen.at("timers/0/enabled") == "true");
    CHECK(seen.at("timers/0/kind") == "one-shot");
    CHECK(seen.at("timers/0/sint") == "4");
    CHECK(seen.at("timers/0/expires_at_100ns") == "1000");
    vp.synic().withdraw(second);
}
