#include "hv/testing/catch.hpp"
#include "vmm/cli/testing/porthole.hpp"
#include "vmm/helper/image_policy.hpp"

#include <filesystem>

namespace vmm::helper {

namespace {

using devices::block::ImageFormat;
using devices::block::ImageRequest;
using testing::Folder;

RunOptions jailed()
{
    RunOptions options;
    options.jail.seccomp = options.jail.landlock = true;
    options.guests.resize(1);
    return options;
}

} // namespace

TEST_CASE("an image is served as the options say, and not otherwise", "[helper][image]")
{
    auto options = jailed();
    options.guests[0].disks = {{.image = "a.qcow2"},
                               {.image = "b.img", .told_format = ImageFormat::Vmdk, .read_only = true},
                               {.image = "raw.img"},
                               {.image = "c.qcow2", .backing = "/bases"}};
    ImagePolicy const policy{options};

    CHECK(policy.allows({.image = "a.qcow2", .format = ImageFormat::Qcow2}));
    CHECK(policy.allows({.image = "a.qcow2", .format = ImageFormat::Qcow2, .read_only = true}));
    CHECK(policy.allows({.image = "b.img", .format = ImageFormat::Vmdk, .told = true, .read_only = true}));
    CHECK(policy.allows({.image = "c.qcow2", .format = ImageFormat::Qcow2, .backing = "/bases"}));

    CHECK_FALSE(policy.allows({.image = "a.qcow2", .format = ImageFormat::Vmdk}));
    CHECK_FALSE(policy.allows({.image = "a.qcow2", .format = ImageFormat::Qcow2, .told = true}));
    CHECK_FALSE(policy.allows({.image = "a.qcow2", .format = ImageFormat::Qcow2, .backing = "/"}));
    CHECK_FALSE(policy.allows({.image = "b.img", .format = ImageFormat::Vmdk, .told = true}));
    CHECK_FALSE(policy.allows({.image = "c.qcow2", .format = ImageFormat::Qcow2, .backing = "/"}));
    // A guest may have written anything to it.
    CHECK_FALSE(policy.allows({.image = "raw.img", .format = ImageFormat::Qcow2, .told = true}));
    CHECK_FALSE(policy.allows({.image = "raw.img", .format = ImageFormat::Raw}));
    CHECK_FALSE(policy.allows({.image = "/etc/passwd", .format = ImageFormat::Qcow2, .told = true}));
}

TEST_CASE("images that are added lie below the folders of --allow, and so does what they are based on",
          "[helper][image]")
{
    Folder const folder;
    Folder const outside;
    std::filesystem::create_directory_symlink(outside.path("."), folder.path("way-out"));
    auto options = jailed();
    options.jail.folders = {folder.path("."), std::string{JailOptions::servers}};
    ImagePolicy const policy{options};
    auto const allows = [&](std::string const& image, std::string const& backing = {}) {
        return policy.allows({.image = image, .format = ImageFormat::Qcow2, .backing = backing});
    };
    CHECK(allows(folder.path("new.qcow2")));
    CHECK(allows(folder.path("new.qcow2"), folder.path("bases")));
    CHECK_FALSE(allows(outside.path("new.qcow2")));
    CHECK_FALSE(allows(folder.path("way-out/new.qcow2")));
    CHECK_FALSE(allows(folder.path("new.qcow2"), outside.path(".")));
}

TEST_CASE("without a jail that holds files any image may be served", "[helper][image]")
{
    ImagePolicy const policy{RunOptions{}};
    CHECK(policy.allows({.image = "/any.qcow2", .format = ImageFormat::Qcow2}));
    CHECK_FALSE(policy.allows({.image = "/any.img", .format = ImageFormat::Raw}));
}

} // namespace vmm::helper
