#include "hv/testing/catch.hpp"
#include "vmm/jail/privileges.hpp"
#include "vmm/jail/testing/child.hpp"

#include <array>
#include <fcntl.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>

namespace vmm::jail {

using testing::End;
using testing::in_child;

TEST_CASE("Inherited descriptors are closed but those that are kept", "[jail]")
{
    CHECK(in_child([] {
              std::array<int, 5> fds{};
              for (auto& fd : fds)
                  fd = ::eventfd(0, 0);
              close_inherited(std::array{fds[3], -1, 2, fds[1]});
              auto const open = [](int fd) { return ::fcntl(fd, F_GETFD) >= 0; };
              auto const as_wanted = open(2) && open(fds[1]) && open(fds[3]) && !open(0) && !open(1) &&
                                     !open(fds[0]) && !open(fds[2]) && !open(fds[4]);
              return as_wanted ? 0 : 1;
          }) == End{0, 0});
    CHECK(in_child([] {
              close_inherited({});
              return ::fcntl(0, F_GETFD) < 0 && ::fcntl(2, F_GETFD) < 0 ? 0 : 1;
          }) == End{0, 0});
}

TEST_CASE("Capabilities are given up for good", "[jail]")
{
    CHECK(in_child([] {
              drop_capabilities();
              drop_capabilities(); // one that has none may do it too
              return effective_capabilities() == 0 ? 0 : 1;
          }) == End{0, 0});
    CHECK(in_child([] {
              auto const could = bounding_capabilities();
              auto const may_change_it = (effective_capabilities() >> 8 & 1) != 0; // CAP_SETPCAP
              drop_capabilities();
              return bounding_capabilities() == (may_change_it ? 0 : could) ? 0 : 1;
          }) == End{0, 0});
}

TEST_CASE("A capability that is kept stays, and none is won", "[jail]")
{
    constexpr Capabilities net_admin = Capabilities{1} << 12;
    CHECK(in_child([] {
              auto const had = effective_capabilities();
              drop_capabilities(net_admin);
              return effective_capabilities() == (had & net_admin) ? 0 : 1;
          }) == End{0, 0});
}

TEST_CASE("A process that forbids it gets no new privileges and is not dumped", "[jail]")
{
    CHECK(in_child([] {
              forbid_new_privileges();
              forbid_dumps();
              ::rlimit core{};
              ::getrlimit(RLIMIT_CORE, &core);
              return ::prctl(PR_GET_NO_NEW_PRIVS, 0L, 0L, 0L, 0L) == 1 &&
                             ::prctl(PR_GET_DUMPABLE, 0L, 0L, 0L, 0L) == 0 && core.rlim_max == 0
                         ? 0
                         : 1;
          }) == End{0, 0});
}

TEST_CASE("A limit is lowered, never raised", "[jail]")
{
    CHECK(in_child([] {
              ::rlimit files{};
              limit(RLIMIT_NOFILE, 40);
              limit(RLIMIT_NOFILE, 50);
              ::getrlimit(RLIMIT_NOFILE, &files);
              return files.rlim_cur == 40 && files.rlim_max == 40 ? 0 : 1;
          }) == End{0, 0});
}

} // namespace vmm::jail
