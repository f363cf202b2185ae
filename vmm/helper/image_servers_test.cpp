// Images that a real qemu-nbd serves, without a guest.
#include "devices/block/nbd_backend.hpp"
#include "devices/block/open_backend.hpp"
#include "devices/block/testing/answers.hpp"
#include "hv/testing/catch.hpp"
#include "vmm/cli/testing/porthole.hpp"
#include "vmm/helper/confined_program.hpp"
#include "vmm/helper/image_servers.hpp"
#include "vmm/host/testing/contains.hpp"

#include <array>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <vector>

namespace vmm::helper {

namespace {

using devices::block::BackendOpener;
using devices::block::ImageFormat;
using devices::block::OpenError;
using devices::block::Operation;
using devices::block::Result;
using devices::block::testing::AwaitedRequest;
using testing::Contains;
using testing::Folder;
using What = BackendOpener::What;

constexpr std::uint64_t mib = 1 << 20;

bool has_tools()
{
    if (!find_program("qemu-nbd").empty() && !find_program("qemu-img").empty()) return true;
    WARN("needs qemu-utils");
    return false;
}

/// Runs a line of the shell in a folder; it succeeds.
void sh(Folder const& folder, std::string const& line)
{
    auto const outcome = testing::shell("cd '" + folder.path(".") + "' && " + line);
    CAPTURE(line, outcome.out, outcome.err);
    REQUIRE(outcome.status == 0);
}

/// What opens images as a run without a jail does.
struct Opener {
    std::unique_ptr<devices::block::Backend> open(What const& what) { return opener.open(what, {}); }
    std::string complaint(What const& what)
    {
        try {
            (void)open(what);
        } catch (OpenError const& error) {
            return error.what();
        }
        return "nothing";
    }

    ImageServers servers{std::array{0, 1, 2}, RunOptions{}};
    BackendOpener opener{[](auto const&) {}, std::make_shared<devices::block::IoBudget>()};
};

What image(std::string path)
{
    auto const format = devices::block::format_by_name(path);
    return {.image = std::move(path), .format = format};
}

} // namespace

TEST_CASE("what is written to an image is in it, by all formats", "[helper][image][nbd]")
{
    if (!has_tools()) return;
    auto const* const ending = GENERATE("qcow2", "vhdx", "vhd", "vmdk");
    Folder const folder;
    auto const path = folder.path(std::string{"disk."} + ending);
    auto const what = image(path);
    auto const format = std::string{devices::block::name_of(what.format)};
    sh(folder, "qemu-img create -q -f " + format + " " + path + " 64M");
    std::vector<std::byte> bytes(2 * mib, std::byte{0x5A});
    {
        Opener opener;
        auto const disk = opener.open(what);
        CHECK(disk->properties().size >= 64 * mib); // a VHD has whole cylinders
        AwaitedRequest write{Operation::Write, mib};
        write.add(bytes);
        REQUIRE(write.run(*disk) == Result::Done);
        REQUIRE(AwaitedRequest{Operation::WriteZeroes, mib, 65536}.run(*disk) == Result::Done);
        REQUIRE(AwaitedRequest{Operation::Discard, 2 * mib, 65536}.run(*disk) == Result::Done);
        REQUIRE(AwaitedRequest{Operation::Flush, 0}.run(*disk) == Result::Done);
        std::vector<std::byte> back(bytes.size());
        AwaitedRequest read{Operation::Read, mib};
        read.add(back);
        REQUIRE(read.run(*disk) == Result::Done);
        CHECK(back[0] == std::byte{0});
        CHECK(back[65536] == std::byte{0x5A});
    }
    if (format != "vpc") sh(folder, "qemu-img check -q -f " + format + " " + path);
    sh(folder, "qemu-img convert -f " + format + " -O raw " + path + " out.raw");
    sh(folder, "[ \"$(dd if=out.raw bs=64k skip=17 count=15 status=none | tr -d 'Z' | wc -c)\" -eq 0 ]");
    sh(folder, "[ \"$(dd if=out.raw bs=64k count=17 status=none | tr -d '\\0' | wc -c)\" -eq 0 ]");
}

TEST_CASE("an image that is closed can be opened again at once", "[helper][image][nbd]")
{
    if (!has_tools()) return;
    Folder const folder;
    sh(folder, "qemu-img create -q -f qcow2 disk.qcow2 64M");
    Opener opener;
    for (int times = 0; times < 3; ++times)
        CHECK(opener.open(image(folder.path("disk.qcow2")))->properties().size == 64 * mib);
}

TEST_CASE("an image in use is refused, to read it together is not", "[helper][image][nbd]")
{
    if (!has_tools()) return;
    Folder const folder;
    sh(folder, "qemu-img create -q -f qcow2 disk.qcow2 64M");
    Opener opener;
    auto what = image(folder.path("disk.qcow2"));
    {
        auto const first = opener.open(what);
        CHECK_THAT(opener.complaint(what), Contains("is in use by another Porthole or program"));
    }
    what.read_only = true;
    auto const first = opener.open(what);
    CHECK(opener.open(what)->properties().read_only);
    what.read_only = false;
    CHECK_THAT(opener.complaint(what), Contains("is in use by another Porthole or program"));
}

TEST_CASE("an image is based only on files that may be read", "[helper][image][nbd][hostile]")
{
    if (!has_tools()) return;
    Folder const folder;
    Folder const elsewhere;
    sh(elsewhere, "qemu-img create -q -f qcow2 base.qcow2 8M");
    sh(folder, "qemu-img create -q -f qcow2 -F qcow2 -b " + elsewhere.path("base.qcow2") + " middle.qcow2");
    sh(folder, "qemu-img create -q -f qcow2 -F qcow2 -b middle.qcow2 top.qcow2");
    sh(folder, "qemu-img create -q -f qcow2 inner.qcow2 8M");
    sh(folder, "qemu-img create -q -f qcow2 -F qcow2 -b inner.qcow2 outer.qcow2");
    sh(folder, "qemu-img create -q -f qcow2 -F raw -u -b nbd://127.0.0.1:10809/x remote.qcow2 8M");
    sh(folder, "qemu-img create -q -f qcow2 -F raw -u -b "
               "'json:{\"driver\":\"file\",\"filename\":\"/etc/passwd\"}' json.qcow2 8M");
    Opener opener;
    CHECK(opener.open(image(folder.path("outer.qcow2")))->properties().size == 8 * mib);
    auto top = image(folder.path("top.qcow2"));
    CHECK_THAT(opener.complaint(top), Contains("backing="));
    top.backing = elsewhere.path(".");
    CHECK(opener.open(top)->properties().size == 8 * mib);
    CHECK_THAT(opener.complaint(image(folder.path("remote.qcow2"))), Contains("cannot be used"));
    CHECK_THAT(opener.complaint(image(folder.path("json.qcow2"))), Contains("cannot be used"));
}

TEST_CASE("an image's parts are found, and those of others are not", "[helper][image][nbd][hostile]")
{
    if (!has_tools()) return;
    Folder const folder;
    sh(folder, "qemu-img create -q -f vmdk -o subformat=twoGbMaxExtentFlat disk.vmdk 8M");
    sh(folder, "truncate -s 8M victim.img && sed 's/disk-f001.vmdk/victim.img/' disk.vmdk > thief.vmdk");
    sh(folder, "qemu-img create -q -f qcow2 -o data_file=victim.img data.qcow2 8M");
    Opener opener;
    auto const disk = opener.open(image(folder.path("disk.vmdk")));
    std::vector<std::byte> bytes(mib, std::byte{1});
    AwaitedRequest write{Operation::Write, 0};
    write.add(bytes);
    CHECK(write.run(*disk) == Result::Done);
    CHECK_THAT(opener.complaint(image(folder.path("thief.vmdk"))), Contains("not named after it"));
    CHECK_THAT(opener.complaint(image(folder.path("data.qcow2"))), Contains("not named after it"));
    auto data = image(folder.path("data.qcow2"));
    data.backing = folder.path(".");
    CHECK(opener.open(data)->properties().size == 8 * mib);
}

TEST_CASE("broken, encrypted and unknown images are one line each", "[helper][image][nbd][hostile]")
{
    if (!has_tools()) return;
    Folder const folder;
    sh(folder, "qemu-img create -q -f qcow2 whole.qcow2 8M && head -c 40 whole.qcow2 > cut.qcow2");
    sh(folder, "head -c 70000 whole.qcow2 > short.qcow2 && cp whole.qcow2 corrupt.qcow2");
    sh(folder, "printf '\\xff\\xff\\xff\\xff' | dd of=corrupt.qcow2 bs=1 seek=40 conv=notrunc status=none");
    sh(folder, "qemu-img create -q --object secret,id=s,data=a -f qcow2 "
               "-o encrypt.format=aes,encrypt.key-secret=s secret.qcow2 8M");
    sh(folder,
       "printf vhdxfile > cut.vhdx; printf KDMV > cut.vmdk; head -c 4M /dev/zero > zero.vhd; : > empty.qcow2");
    sh(folder, "qemu-img create -q -f vdi other.qcow2 8M; cp whole.qcow2 whole.vhdx");
    Opener opener;
    for (auto const& [name, part] : {std::pair{"cut.qcow2", "cannot be used as qcow2: "},
                                     {"corrupt.qcow2", "cannot be used as qcow2: "},
                                     {"secret.qcow2", "is encrypted"},
                                     {"cut.vhdx", "cannot be used as vhdx: "},
                                     {"cut.vmdk", "cannot be used as vmdk: "},
                                     {"zero.vhd", "looks like a raw image, though its name says vpc"},
                                     {"empty.qcow2", "looks like a raw image"},
                                     {"other.qcow2", "is a VDI image"},
                                     {"whole.vhdx", "add ',format=qcow2'"},
                                     {"missing.qcow2", "does not exist"}}) {
        auto const complaint = opener.complaint(image(folder.path(name)));
        CAPTURE(name, complaint);
        CHECK_THAT(complaint, Contains(part));
        CHECK(complaint.starts_with("disk image '" + folder.path(name) + "' "));
        CHECK(complaint.find('\n') == std::string::npos);
    }
    auto const told =
        opener.complaint({.image = folder.path("zero.vhd"), .format = ImageFormat::Qcow2, .told = true});
    CHECK_THAT(told, Contains("cannot be used as qcow2: "));
}

TEST_CASE("a raw image that its guest made look like another is opened as neither", "[helper][image][hostile]")
{
    if (!has_tools()) return;
    Folder const folder;
    sh(folder, "qemu-img create -q -f qcow2 -F raw -b /etc/passwd -u header 8M && truncate -s 8M header");
    sh(folder, "cp header disk.img && cp header named.vhdx");
    Opener opener;
    auto const raw = [&](bool told) {
        return What{.image = folder.path("disk.img"), .format = ImageFormat::Raw, .told = told};
    };
    CHECK_THAT(opener.complaint(raw(false)), Contains("looks like a qcow2 image") && Contains("format=raw"));
    CHECK(opener.open(raw(true))->properties().size == 8 * mib);
    CHECK_THAT(opener.complaint(image(folder.path("named.vhdx"))), Contains("though its name says vhdx"));
}

TEST_CASE("without qemu-utils an image is refused in one line that says so", "[helper][image]")
{
    Folder const folder;
    auto const path = folder.file("disk.qcow2", std::string{"QFI\xFB\0\0\0\3", 8});
    std::string const before = std::getenv("PATH") ? std::getenv("PATH") : "";
    ::setenv("PATH", folder.path(".").c_str(), 1);
    Opener opener;
    ::setenv("PATH", before.c_str(), 1);
    CHECK_THAT(opener.complaint(image(path)), Contains("qemu-nbd, which is not installed: install qemu-utils"));
}

} // namespace vmm::helper
