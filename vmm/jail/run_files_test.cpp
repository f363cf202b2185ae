#include "hv/testing/catch.hpp"
#include "vmm/jail/run_files.hpp"

namespace vmm::jail {

TEST_CASE("the port of an NBD server is the one that its URI says, or the protocol's", "[jail]")
{
    CHECK(server_port("nbd://server/export") == 10809);
    CHECK(server_port("nbd://server:10900/export") == 10900);
    CHECK(server_port("nbds://user@server:7/") == 7);
    CHECK(server_port("nbd://[2001:db8::1]:8") == 8);
    CHECK(server_port("nbd://[2001:db8::1]") == 10809);
    CHECK(server_port("nbd://server:/x") == 10809);
    CHECK(server_port("nbds://server?tls-certificates=/a:b") == 10809);
    CHECK_FALSE(server_port("nbd+unix:///export?socket=/s"));
    CHECK_FALSE(server_port("nbd://server:70000/"));
    CHECK_FALSE(server_port("nbd://server:nbd/"));
    CHECK_FALSE(server_port("/images/disk:7"));
}

} // namespace vmm::jail
