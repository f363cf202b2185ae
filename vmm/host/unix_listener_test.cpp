#include "hv/testing/catch.hpp"
#include "vmm/base/user_error.hpp"
#include "vmm/cli/testing/porthole.hpp"
#include "vmm/host/testing/contains.hpp"
#include "vmm/host/unix_listener.hpp"

#include <optional>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

namespace {

using vmm::UnixListener;
using vmm::UserError;
using vmm::testing::Contains;
using vmm::testing::Folder;

/// A socket as an ended process leaves it behind.
void leave_socket(std::string const& path)
{
    vmm::UniqueFd const fd{::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)};
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    path.copy(address.sun_path, sizeof address.sun_path - 1);
    REQUIRE(::bind(fd.get(), reinterpret_cast<sockaddr const*>(&address), sizeof address) == 0);
}

std::string complaint(std::string const& path)
{
    try {
        UnixListener const listener{"--control", path};
    } catch (UserError const& error) {
        return error.what();
    }
    return "nothing";
}

} // namespace

TEST_CASE("a listener's socket is its owner's alone, and gone at its end", "[control][unix]")
{
    Folder const folder;
    auto const path = folder.path("s");
    {
        UnixListener const listener{"--control", path};
        struct stat status {};
        REQUIRE(::stat(path.c_str(), &status) == 0);
        CHECK(S_ISSOCK(status.st_mode));
        CHECK((status.st_mode & 07777) == 0600);
        CHECK(vmm::connect_unix(path));
    }
    CHECK_FALSE(std::filesystem::exists(path));
}

TEST_CASE("a socket that an ended process has left is replaced", "[control][unix]")
{
    Folder const folder;
    auto const path = folder.path("s");
    leave_socket(path);
    CHECK_FALSE(vmm::connect_unix(path));
    UnixListener const listener{"--control", path};
    CHECK(vmm::connect_unix(path));
}

TEST_CASE("a listener leaves alone what is not its own", "[control][unix]")
{
    Folder const folder;
    auto const path = folder.path("s");
    std::optional<UnixListener> first;
    first.emplace("--control", path);
    CHECK_THAT(complaint(path), Contains("--control: cannot listen on") && Contains("in use"));
    CHECK(vmm::connect_unix(path));

    std::filesystem::remove(path);
    UnixListener const second{"--control", path};
    first.reset();
    CHECK(vmm::connect_unix(path));

    auto const file = folder.file("f", "precious");
    CHECK_THAT(complaint(file), Contains("no socket"));
    CHECK(folder.content("f") == "precious");
}

TEST_CASE("a path that cannot be a socket's is refused in one line", "[control][unix]")
{
    CHECK_THAT(complaint(std::string(200, 'x')), Contains("107 bytes"));
    CHECK_THAT(complaint(""), Contains("1 to 107"));
    CHECK_THAT(complaint("/no/such/folder/s"), Contains("No such file"));
}
