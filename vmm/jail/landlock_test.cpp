#include "hv/testing/catch.hpp"
#include "vmm/jail/landlock.hpp"
#include "vmm/jail/privileges.hpp"
#include "vmm/jail/testing/child.hpp"

#include <arpa/inet.h>
#include <cerrno>
#include <csignal>
#include <fcntl.h>
#include <filesystem>
#include <fstream>
#include <netinet/in.h>
#include <stdlib.h>
#include <string>
#include <sys/socket.h>
#include <system_error>

namespace vmm::jail {

using testing::End;
using testing::in_child;

namespace {

struct Folder {
    std::filesystem::path path;

    Folder()
    {
        std::string name = (std::filesystem::temp_directory_path() / "porthole-landlock-XXXXXX").string();
        REQUIRE(::mkdtemp(name.data()) != nullptr);
        path = name;
        std::filesystem::create_directory(path / "in");
        std::ofstream{path / "in" / "file"} << "inside";
        std::ofstream{path / "out"} << "outside";
    }
    Folder(Folder const&) = delete;
    Folder& operator=(Folder const&) = delete;
    ~Folder() { std::filesystem::remove_all(path); }
};

/// 0, or the errno of opening it.
int open_error(std::filesystem::path const& path, int flags)
{
    UniqueFd const fd{::open(path.c_str(), flags | O_CLOEXEC, 0600)};
    return fd ? 0 : errno;
}

bool there_is_none()
{
    if (Landlock::version() > 0) return false;
    CHECK(in_child([] {
              return Landlock{}.allow_read("/nowhere").restrict_self() ? 1 : open_error("/", O_RDONLY);
          }) == End{0, 0});
    WARN("not tested: this kernel has no landlock");
    return true;
}

} // namespace

TEST_CASE("Files can be read where that is allowed, and nowhere else", "[jail][landlock]")
{
    if (there_is_none()) return;
    Folder const folder;
    CHECK(in_child([&] {
              forbid_new_privileges();
              UniqueFd const before{::open((folder.path / "out").c_str(), O_RDONLY | O_CLOEXEC)};
              if (!Landlock{}.allow_read(folder.path / "in").restrict_self()) return 1;
              char byte = 0;
              return open_error(folder.path / "in" / "file", O_RDONLY) == 0 &&
                             open_error(folder.path / "in" / "file", O_RDWR) == EACCES &&
                             open_error(folder.path / "in" / "new", O_WRONLY | O_CREAT) == EACCES &&
                             open_error(folder.path / "out", O_RDONLY) == EACCES &&
                             ::read(before.get(), &byte, 1) == 1 // what is open stays so
                         ? 0
                         : 2;
          }) == End{0, 0});
}

TEST_CASE("Files can be written where that is allowed, and a single file by itself", "[jail][landlock]")
{
    if (there_is_none()) return;
    Folder const folder;
    CHECK(in_child([&] {
              forbid_new_privileges();
              Landlock{}.allow_write(folder.path / "in").allow_read(folder.path / "out").restrict_self();
              auto const in = folder.path / "in";
              return open_error(in / "file", O_RDWR | O_TRUNC) == 0 &&
                             open_error(in / "new", O_RDWR | O_CREAT) == 0 && ::unlink((in / "new").c_str()) == 0 &&
                             open_error(folder.path / "out", O_RDONLY) == 0 &&
                             open_error(folder.path / "out", O_WRONLY) == EACCES &&
                             open_error(folder.path / "new", O_RDWR | O_CREAT) == EACCES
                         ? 0
                         : 1;
          }) == End{0, 0});
}

TEST_CASE("A device that is allowed can be opened for writing", "[jail][landlock]")
{
    if (there_is_none()) return;
    CHECK(in_child([] {
              forbid_new_privileges();
              Landlock{}.allow_device("/dev/null").restrict_self();
              return open_error("/dev/null", O_RDWR) == 0 && open_error("/dev/zero", O_RDONLY) == EACCES ? 0 : 1;
          }) == End{0, 0});
}

TEST_CASE("Where landlock knows TCP, a port that is not allowed can neither be bound nor connected to",
          "[jail][landlock]")
{
    if (there_is_none() || Landlock::version() < Landlock::knows_tcp) return;
    CHECK(in_child([] {
              forbid_new_privileges();
              Landlock{{.tcp = true}}.allow_bind(0).allow_connect(1).restrict_self();
              auto const try_port = [](auto call, std::uint16_t port) {
                  UniqueFd const fd{::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};
                  sockaddr_in address{};
                  address.sin_family = AF_INET;
                  address.sin_port = htons(port);
                  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
                  return call(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) == 0 ? 0 : errno;
              };
              return try_port(::bind, 0) == 0 && try_port(::bind, 2) == EACCES && try_port(::connect, 2) == EACCES &&
                             try_port(::connect, 1) != EACCES
                         ? 0
                         : 1;
          }) == End{0, 0});
}

TEST_CASE("Where landlock knows scopes, no process outside can be sent a signal", "[jail][landlock]")
{
    if (there_is_none() || Landlock::version() < Landlock::knows_scopes) return;
    CHECK(in_child([] {
              forbid_new_privileges();
              Landlock{{.scopes = true}}.restrict_self();
              return ::kill(::getppid(), 0) != 0 && errno == EPERM ? 0 : 1;
          }) == End{0, 0});
}

TEST_CASE("A path that does not exist is named", "[jail][landlock]")
{
    if (there_is_none()) return;
    CHECK_THROWS_WITH(Landlock{}.allow_read("/nowhere/at/all"), Catch::Contains("/nowhere/at/all"));
}

} // namespace vmm::jail
