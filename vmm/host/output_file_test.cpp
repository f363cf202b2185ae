#include "hv/testing/catch.hpp"
#include "vmm/base/user_error.hpp"
#include "vmm/cli/testing/porthole.hpp"
#include "vmm/console/testing/streams.hpp"
#include "vmm/host/output_file.hpp"
#include "vmm/host/testing/contains.hpp"

#include <fcntl.h>
#include <filesystem>
#include <sys/stat.h>

namespace {

using namespace vmm::testing;
using vmm::Existing;
using vmm::open_output;

std::string complaint(std::string const& path)
{
    try {
        (void)open_output("the log", path, Existing::Emptied);
    } catch (vmm::UserError const& error) {
        return error.what();
    }
    return "nothing";
}

mode_t mode_of(std::string const& path)
{
    struct stat status {};
    REQUIRE(::stat(path.c_str(), &status) == 0);
    return status.st_mode & 07777;
}

} // namespace

TEST_CASE("an output file is made for its owner alone, and one that exists keeps its mode", "[output]")
{
    Folder const folder;
    auto const before = ::umask(0);
    put(open_output("the log", folder.path("new"), Existing::Emptied).get(), "new");
    ::umask(before);
    CHECK(folder.content("new") == "new");
    CHECK(mode_of(folder.path("new")) == 0600);

    auto const old = folder.file("old", "old text");
    REQUIRE(::chmod(old.c_str(), 0644) == 0);
    put(open_output("the log", old, Existing::Continued).get(), ", more");
    CHECK(folder.content("old") == "old text, more");
    put(open_output("the log", old, Existing::Emptied).get(), "x");
    CHECK(folder.content("old") == "x");
    CHECK(mode_of(old) == 0644);
}

TEST_CASE("an output file that somebody empties goes on at its beginning", "[output]")
{
    Folder const folder;
    auto const existing = GENERATE(Existing::Emptied, Existing::Continued);
    auto const file = open_output("the log", folder.path("log"), existing);
    put(file.get(), "before");
    std::filesystem::resize_file(folder.path("log"), 0); // as logrotate(8) does with copytruncate
    put(file.get(), "after");
    CHECK(folder.content("log") == "after");
}

TEST_CASE("an output file is not opened through somebody's symbolic link", "[output]")
{
    Folder const folder;
    auto const victim = folder.file("victim", "precious");
    std::filesystem::create_symlink(victim, folder.path("link"));
    std::filesystem::create_symlink(folder.path("nothing"), folder.path("dangling"));
    CHECK_THAT(complaint(folder.path("link")), Contains("cannot write the log to") && Contains("symbolic link"));
    CHECK_THAT(complaint(folder.path("dangling")), Contains("symbolic link"));
    CHECK(folder.content("victim") == "precious");
    CHECK_FALSE(std::filesystem::exists(folder.path("nothing")));

    std::filesystem::create_directory_symlink(folder.path("."), folder.path("folder")); // only the last counts
    CHECK(open_output("the log", folder.path("folder/file"), Existing::Emptied));
}

TEST_CASE("a descriptor of this process can be named, as shells do it", "[output]")
{
    Pipe const pipe;
    auto const number = std::to_string(pipe.writer.get());
    for (auto const& path : {"/dev/fd/" + number, "/proc/self/fd/" + number})
        put(open_output("the log", path, Existing::Continued).get(), "x");
    CHECK(readable(pipe.reader.get()) == 2);
}

TEST_CASE("a FIFO must have a reader, so that nothing waits for one", "[output]")
{
    Folder const folder;
    auto const fifo = folder.path("fifo");
    REQUIRE(::mkfifo(fifo.c_str(), 0600) == 0);
    CHECK_THAT(complaint(fifo), Contains("nobody reads this FIFO"));

    vmm::UniqueFd const reader{::open(fifo.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC)};
    auto const writer = open_output("the log", fifo, Existing::Emptied);
    CHECK_FALSE(is_nonblocking(writer.get()));
    put(writer.get(), "x");
    CHECK(readable(reader.get()) == 1);
}

TEST_CASE("what is no file for text is refused in one line", "[output]")
{
    Folder const folder;
    CHECK_THAT(complaint(folder.path(".")), Contains("Is a directory"));
    CHECK_THAT(complaint(folder.path("no/such")), Contains("No such file") && Contains("name a file"));
    CHECK(open_output("the log", "/dev/null", Existing::Emptied));
}
