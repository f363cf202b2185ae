#include "devices/block/image_format.hpp"
#include "hv/testing/catch.hpp"

#include <string>
#include <utility>

namespace devices::block {

namespace {

using namespace std::string_literals;

std::span<std::byte const> bytes_of(std::string const& text)
{
    return std::as_bytes(std::span{text});
}

Recognised recognised(std::string const& first, std::string const& last = {})
{
    return recognise({bytes_of(first), bytes_of(last)});
}

std::string footer(char disk_type)
{
    auto out = "conectix"s + std::string(504, '\0');
    out[63] = disk_type;
    return out;
}

constexpr char dynamic = 3;
constexpr char differencing = 4;

} // namespace

TEST_CASE("an image's format is recognised by how it begins, or ends", "[storage][image]")
{
    CHECK(recognised("QFI\xFB\0\0\0\3"s).format == ImageFormat::Qcow2);
    CHECK(recognised("QFI\xFB\0\0\0\2"s).format == ImageFormat::Qcow2);
    CHECK(recognised("vhdxfile"s).format == ImageFormat::Vhdx);
    CHECK(recognised(footer(dynamic)).format == ImageFormat::Vpc);
    CHECK(recognised(std::string(4096, 'x'), footer(dynamic)).format == ImageFormat::Vpc);
    CHECK(recognised(std::string(4096, 'x'), "x" + footer(dynamic).substr(0, 511)).format == ImageFormat::Vpc);
    CHECK(recognised("KDMV\1\0\0\0"s).format == ImageFormat::Vmdk);
    CHECK(recognised("COWD\1\0\0\0"s).format == ImageFormat::Vmdk);
    CHECK(recognised("# Disk DescriptorFile\nversion=1\n").format == ImageFormat::Vmdk);
    CHECK(recognised("# made by hand\r\n\r\nversion=3\r\n").format == ImageFormat::Vmdk);
}

TEST_CASE("a disk's own content looks raw, also what nearly looks otherwise", "[storage][image]")
{
    for (auto const& first : {""s, "\0"s, std::string(4096, '\0'), "QFI"s, "QFI\xFA\0\0\0\3"s, "vhdxfil"s, "conecti"s,
                              "LUKS\xBA\xBE"s, "# Disk Descriptor"s, "#!/bin/sh\necho\n"s, "\n\n\n"s,
                              std::string(4096, '#'), std::string(4096, '\n'), std::string(510, '\0') + "\x55\xAA"}) {
        CAPTURE(first.size());
        CHECK(recognised(first, first).format == ImageFormat::Raw);
    }
    CHECK(recognised(std::string(4096, 'x'), "xx" + footer(dynamic).substr(0, 510)).format == ImageFormat::Raw);
}

TEST_CASE("what cannot be used is known by name", "[storage][image]")
{
    auto const check = [](Recognised const& found, std::string const& what) {
        CHECK_FALSE(found.format);
        CHECK(found.what == what);
    };
    check(recognised("QFI\xFB\0\0\0\1"s), "a qcow image of version 1");
    check(recognised(footer(differencing)), "a differencing VHD, which cannot be used without its parent");
    check(recognised(std::string(64, 'x') + "\x7F\x10\xDA\xBE"s), "a VDI image");
    check(recognised("QED\0"s), "a QED image");
    check(recognised("WithoutFreeSpace"s), "a Parallels image");
}

TEST_CASE("a truncated header of any length is taken for something, and read no further", "[storage][image][hostile]")
{
    for (auto const& whole : {"QFI\xFB\0\0\0\1"s, footer(differencing), "# Disk DescriptorFile\n"s, "KDMV"s,
                              std::string(64, 'x') + "\x7F\x10\xDA\xBE"s}) {
        for (std::size_t size = 0; size <= whole.size(); ++size) {
            std::string const cut(whole, 0, size); // in memory of its own, whose end the sanitizer watches
            CHECK_FALSE(recognised(cut).what.empty());
            CHECK_FALSE(recognised({}, cut).what.empty());
        }
    }
}

TEST_CASE("formats have QEMU's names, and files those that people give them", "[storage][image]")
{
    for (auto const format : image_formats)
        CHECK(format_named(name_of(format)) == format);
    CHECK(format_named("vhd") == ImageFormat::Vpc);
    CHECK_FALSE(format_named("vdi"));
    CHECK_FALSE(format_named(""));
    for (auto const& [path, format] : {std::pair{"/a/disk.qcow2", ImageFormat::Qcow2},
                                       {"b.VHDX", ImageFormat::Vhdx},
                                       {"c.vhd", ImageFormat::Vpc},
                                       {"d.Vmdk", ImageFormat::Vmdk},
                                       {"e.img", ImageFormat::Raw},
                                       {".vhd", ImageFormat::Raw},
                                       {"f.qcow2.bak", ImageFormat::Raw},
                                       {"qcow2", ImageFormat::Raw},
                                       {"", ImageFormat::Raw}}) {
        CAPTURE(path);
        CHECK(format_by_name(path) == format);
    }
}

} // namespace devices::block
