#include "hv/testing/catch.hpp"
#include "vmm/helper/file_calls.hpp"
#include "vmm/helper/image_calls.hpp"
#include "vmm/helper/tpm_calls.hpp"
#include "vmm/helper/user_network_calls.hpp"
#include "vmm/jail/thread_programs.hpp"
#include "vmm/kvm/kvm_requests.hpp"

#include <algorithm>
#include <sys/syscall.h>

namespace vmm::jail {

TEST_CASE("the lists that were built are those of the roles", "[jail][seccomp]")
{
    HypervisorRequests const requests{kvm_run_requests(), kvm_interrupt_requests(), kvm_build_requests()};
    for (unsigned role = 0; role < devices::thread_roles; ++role) {
        for (bool const servers : {false, true}) {
            CAPTURE(role, servers);
            auto const which = static_cast<devices::ThreadRole>(role);
            CHECK(std::ranges::equal(thread_program(which, {.servers = servers}),
                                     program_of(which, requests, {.servers = servers})));
        }
    }
}

TEST_CASE("the list that was built for the process which opens files is its own", "[jail][seccomp]")
{
    CHECK(std::ranges::equal(helper::built_file_server_program(), helper::file_server_program()));
}

TEST_CASE("the list that was built for the process of a user-mode network is its own", "[jail][seccomp]")
{
    CHECK(std::ranges::equal(helper::built_user_network_program(), helper::user_network_program()));
}

TEST_CASE("the lists that were built for programs of others are their own", "[jail][seccomp]")
{
    CHECK(std::ranges::equal(helper::built_image_program(), helper::image_program()));
    CHECK(std::ranges::equal(helper::built_tpm_program(), helper::tpm_program()));
}

TEST_CASE("system calls have their names", "[jail][seccomp]")
{
    CHECK(call_name(SYS_openat) == "openat");
    CHECK(call_name(SYS_read) == "read");
    CHECK(call_name(-1) == "unknown");
    CHECK(call_name(100'000) == "unknown");
}

} // namespace vmm::jail
