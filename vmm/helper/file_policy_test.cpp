#include "hv/testing/catch.hpp"
#include "vmm/cli/testing/porthole.hpp"
#include "vmm/helper/file_policy.hpp"

#include <cerrno>
#include <filesystem>
#include <string>
#include <sys/stat.h>
#include <unistd.h>

namespace vmm::helper {

using devices::FileAccess;
using testing::Folder;

namespace {

/// 0 when the policy opens it, or the reason why not.
int result_of(FilePolicy const& policy, std::string const& path, FileAccess access = FileAccess::Read)
{
    auto const file = policy.open(path, access);
    return file ? 0 : errno;
}

} // namespace

TEST_CASE("a run's files are opened by their names, for what the options say", "[helper][files]")
{
    Folder const folder;
    auto const kernel = folder.file("kernel", "a kernel");
    auto const disk = folder.file("disk", "blocks");
    auto const other = folder.file("other", "not ours");
    FilePolicy policy;
    policy.allow(kernel, FileAccess::Read);
    policy.allow(disk, FileAccess::ReadWrite);
    policy.allow(folder.path("missing"), FileAccess::Read);
    policy.allow("", FileAccess::ReadWrite);

    CHECK(result_of(policy, kernel) == 0);
    CHECK(result_of(policy, kernel, FileAccess::ReadWrite) == EPERM);
    CHECK(result_of(policy, disk) == 0);
    CHECK(result_of(policy, disk, FileAccess::ReadWrite) == 0);
    CHECK(result_of(policy, folder.path("missing")) == ENOENT);
    CHECK(result_of(policy, other) == EPERM);
    CHECK(result_of(policy, "") == EPERM);
    CHECK(result_of(policy, folder.path(".")) == EPERM);
}

TEST_CASE("a file that is opened for reading cannot be written to", "[helper][files]")
{
    Folder const folder;
    auto const kernel = folder.file("kernel", "a kernel");
    FilePolicy policy;
    policy.allow(kernel, FileAccess::Read);
    auto const file = policy.open(kernel, FileAccess::Read);
    REQUIRE(file);
    CHECK(::write(file.get(), "x", 1) == -1);
}

TEST_CASE("what lies below an allowed folder is opened, by whatever name", "[helper][files]")
{
    Folder const folder;
    std::filesystem::create_directories(folder.path("images/deep"));
    auto const disk = folder.file("images/deep/disk", "blocks");
    FilePolicy policy;
    policy.allow_folder(folder.path("images"));
    CHECK(result_of(policy, disk, FileAccess::ReadWrite) == 0);
    CHECK(result_of(policy, folder.path("images/../images/./deep/disk")) == 0);
    CHECK(result_of(policy, folder.path("images/none")) == ENOENT);
    std::filesystem::create_symlink(disk, folder.path("link"));
    CHECK(result_of(policy, folder.path("link")) == 0); // it is one of the folder's
    CHECK_THROWS(policy.allow_folder(folder.path("no-folder")));
}

TEST_CASE("nothing outside of an allowed folder is opened, and nothing that is no image", "[helper][files][hostile]")
{
    Folder const folder;
    std::filesystem::create_directories(folder.path("images"));
    auto const secret = folder.file("secret", "s");
    auto const sibling = folder.file("images-too", "s");
    FilePolicy policy;
    policy.allow_folder(folder.path("images"));
    CHECK(result_of(policy, secret) == EPERM);
    CHECK(result_of(policy, sibling) == EPERM);
    CHECK(result_of(policy, folder.path("images/../secret")) == EPERM);
    std::filesystem::create_symlink(secret, folder.path("images/link"));
    CHECK(result_of(policy, folder.path("images/link")) == EPERM);
    std::filesystem::create_directory_symlink(folder.path("."), folder.path("images/up"));
    CHECK(result_of(policy, folder.path("images/up/secret")) == EPERM);
    REQUIRE(::mkfifo(folder.path("images/fifo").c_str(), 0600) == 0);
    CHECK(result_of(policy, folder.path("images/fifo")) == EPERM); // at once
    CHECK(result_of(policy, folder.path("images")) == EPERM);
    CHECK(result_of(policy, "/proc/self/mem", FileAccess::ReadWrite) == EPERM);
    CHECK(result_of(policy, std::string(5000, 'a')) == EPERM);
}

} // namespace vmm::helper
