#include "devices/base/os_error.hpp"
#include "hv/testing/catch.hpp"
#include "vmm/host/testing/contains.hpp"

#include <cerrno>
#include <new>
#include <stdexcept>
#include <sys/resource.h>
#include <system_error>

namespace {

using devices::os_error;
using vmm::testing::Contains;

} // namespace

TEST_CASE("an error that comes of a limit says which, and what it is now", "[os-error]")
{
    ::rlimit files{};
    REQUIRE(::getrlimit(RLIMIT_NOFILE, &files) == 0);
    auto const now = files.rlim_cur == RLIM_INFINITY ? "unlimited" : std::to_string(files.rlim_cur);
    CHECK_THAT(os_error(EMFILE), Contains("Too many open files") && Contains("'ulimit -n' (now " + now));
    CHECK_THAT(os_error(ENFILE), Contains("fs.file-max") && Contains("ulimit -n"));
    CHECK_THAT(os_error(EAGAIN), Contains("Resource temporarily unavailable") && Contains("'ulimit -u' (now "));
    CHECK_THAT(os_error(ENOMEM), Contains("Cannot allocate memory") && Contains("memory.max"));
    CHECK(os_error(ENOENT) == "No such file or directory");
}

TEST_CASE("a limit on memory is named where it may be why", "[os-error]")
{
    ::rlimit before{};
    REQUIRE(::getrlimit(RLIMIT_DATA, &before) == 0);
    auto const limited = ::rlimit{rlim_t{1} << 40, before.rlim_max};
    REQUIRE(::setrlimit(RLIMIT_DATA, &limited) == 0);
    auto const why = os_error(ENOMEM);
    auto const why_no_thread = os_error(EAGAIN);
    REQUIRE(::setrlimit(RLIMIT_DATA, &before) == 0);
    CHECK_THAT(why, Contains("'ulimit -d' (now 1073741824"));
    CHECK_THAT(why_no_thread, Contains("'ulimit -d' (now 1073741824"));
}

TEST_CASE("exceptions of the standard library are explained like their causes", "[os-error]")
{
    std::system_error const no_descriptor{EMFILE, std::generic_category(), "eventfd"};
    CHECK_THAT(os_error(no_descriptor), Contains("eventfd: Too many open files: raise 'ulimit -n'"));
    CHECK(os_error(std::bad_alloc{}) == os_error(ENOMEM));
    CHECK(os_error(std::runtime_error{"as it is"}) == "as it is");
}
