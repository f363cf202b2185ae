#include "devices/block/image_format.hpp"

#include <algorithm>
#include <cerrno>
#include <unistd.h>

namespace devices::block {

namespace {

using namespace std::string_view_literals;

struct FormatName {
    ImageFormat format;
    std::string_view name;
    std::string_view what;
    std::string_view extension;
};

constexpr std::array formats{
    FormatName{ImageFormat::Raw, "raw", "a raw image", ""},
    FormatName{ImageFormat::Qcow2, "qcow2", "a qcow2 image", ".qcow2"},
    FormatName{ImageFormat::Vhdx, "vhdx", "a VHDX image", ".vhdx"},
    FormatName{ImageFormat::Vpc, "vpc", "a VHD image", ".vhd"},
    FormatName{ImageFormat::Vmdk, "vmdk", "a VMDK image", ".vmdk"},
};

FormatName const& entry_of(ImageFormat format)
{
    return *std::ranges::find(formats, format, &FormatName::format);
}

std::string_view text_of(std::span<std::byte const> bytes)
{
    return {reinterpret_cast<char const*>(bytes.data()), bytes.size()};
}

/// A big-endian word; 0 where there is none.
std::uint32_t word_at(std::string_view bytes, std::size_t offset)
{
    if (bytes.size() < offset + 4) return 0;
    std::uint32_t word = 0;
    for (auto const c : bytes.substr(offset, 4))
        word = word << 8 | static_cast<std::uint8_t>(c);
    return word;
}

Recognised is(ImageFormat format)
{
    return {format, entry_of(format).what};
}

/// qcow2: QEMU docs/interop/qcow2.txt. Version 1 is another format, with the same first word.
std::optional<Recognised> as_qcow(std::string_view first)
{
    if (!first.starts_with("QFI\xFB"sv)) return std::nullopt;
    if (word_at(first, 4) == 1) return Recognised{std::nullopt, "a qcow image of version 1"};
    return is(ImageFormat::Qcow2);
}

/// VHD (Virtual Hard Disk Image Format Specification 1.0): a footer at the end, of which a dynamic disk has a copy at
/// its beginning. A footer of 511 bytes is one as well.
std::optional<Recognised> as_vhd(std::string_view first, std::string_view last)
{
    constexpr auto cookie = "conectix"sv;
    constexpr std::size_t disk_type = 60;
    constexpr std::uint32_t differencing = 4;
    auto footer = first;
    if (!footer.starts_with(cookie)) footer = last;
    if (!footer.starts_with(cookie) && !footer.empty()) footer.remove_prefix(1);
    if (!footer.starts_with(cookie)) return std::nullopt;
    if (word_at(footer, disk_type) == differencing)
        return Recognised{std::nullopt, "a differencing VHD, which cannot be used without its parent"};
    return is(ImageFormat::Vpc);
}

/// VMDK (VMware Virtual Disk Format 5.0): a sparse extent, of ESX too, or a descriptor, which is text. QEMU takes one
/// behind comments and empty lines as well.
std::optional<Recognised> as_vmdk(std::string_view first)
{
    if (first.starts_with("KDMV"sv) || first.starts_with("COWD"sv)) return is(ImageFormat::Vmdk);
    for (std::string_view rest = first; !rest.empty();) {
        auto const end = rest.find('\n');
        auto line = rest.substr(0, end);
        rest.remove_prefix(end == std::string_view::npos ? rest.size() : end + 1);
        if (line.ends_with('\r')) line.remove_suffix(1);
        if (line.starts_with("# Disk DescriptorFile"sv) || line.starts_with("version="sv))
            return is(ImageFormat::Vmdk);
        if (!line.starts_with('#') && line.find_first_not_of(' ') != std::string_view::npos) break;
    }
    return std::nullopt;
}

/// What QEMU knows and Porthole does not offer: QEMU block/vdi.c, block/qed.h, block/parallels.c.
std::optional<Recognised> as_another(std::string_view first)
{
    constexpr std::size_t vdi_signature = 64;
    if (word_at(first, vdi_signature) == 0x7F10'DABE) return Recognised{std::nullopt, "a VDI image"};
    if (first.starts_with("QED\0"sv)) return Recognised{std::nullopt, "a QED image"};
    if (first.starts_with("WithoutFreeSpace"sv) || first.starts_with("WithouFreSpacExt"sv))
        return Recognised{std::nullopt, "a Parallels image"};
    return std::nullopt;
}

std::size_t read_at(int fd, std::span<std::byte> into, std::uint64_t offset)
{
    ssize_t size = -1;
    do {
        size = ::pread(fd, into.data(), into.size(), static_cast<off_t>(offset));
    } while (size < 0 && errno == EINTR);
    return size < 0 ? 0 : static_cast<std::size_t>(size);
}

} // namespace

std::string_view name_of(ImageFormat format)
{
    return entry_of(format).name;
}

std::optional<ImageFormat> format_named(std::string_view name)
{
    if (name == "vhd") return ImageFormat::Vpc;
    auto const* const found = std::ranges::find(formats, name, &FormatName::name);
    return found == formats.end() ? std::nullopt : std::optional{found->format};
}

ImageFormat format_by_name(std::string_view path)
{
    auto const same = [](char a, char b) { return (a >= 'A' && a <= 'Z' ? a - 'A' + 'a' : a) == b; };
    for (auto const& format : formats) {
        auto const& ending = format.extension;
        if (ending.empty() || path.size() <= ending.size()) continue;
        if (std::ranges::equal(path.substr(path.size() - ending.size()), ending, same)) return format.format;
    }
    return ImageFormat::Raw;
}

Recognised recognise(ImageEnds const& ends)
{
    auto const first = text_of(ends.first);
    if (first.starts_with("vhdxfile"sv)) return is(ImageFormat::Vhdx); // MS-VHDX 2.2.1
    for (auto const& found : {as_qcow(first), as_vmdk(first), as_vhd(first, text_of(ends.last)), as_another(first)})
        if (found) return *found;
    return is(ImageFormat::Raw);
}

ReadEnds::ReadEnds(int fd, std::uint64_t size)
{
    first_size_ = read_at(fd, first_, 0);
    if (size >= last_.size()) last_size_ = read_at(fd, last_, size - last_.size());
}

} // namespace devices::block
