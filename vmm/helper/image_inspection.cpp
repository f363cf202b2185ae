#include "vmm/helper/image_inspection.hpp"

#include "devices/base/os_error.hpp"
#include "vmm/helper/confined_program.hpp"
#include "vmm/helper/image_calls.hpp"
#include "vmm/helper/passing.hpp"
#include "vmm/helper/server_news.hpp"

#include <linux/fs.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <fcntl.h>
#include <filesystem>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <system_error>
#include <unistd.h>
#include <utility>

namespace vmm::helper {

namespace {

using devices::block::ImageFormat;
using devices::block::ImageRequest;

std::string format_name(ImageFormat format)
{
    return std::string{devices::block::name_of(format)};
}

[[noreturn]] void refuse_to_open(bool read_only, int error)
{
    switch (error) {
    case ENOENT: throw ImageRefused{"does not exist: check the path, or make it with 'qemu-img create'"};
    case EACCES:
    case EPERM:
    case EROFS:
        throw ImageRefused{read_only ? "must not be read by you: check its permissions"
                                     : "must not be written by you: check its permissions, or add ',ro'"};
    default: throw ImageRefused{"cannot be opened: " + devices::os_error(error)};
    }
}

/// A name is no reason to take a file for what it does not look like: a guest may have had it as a raw disk.
void check_content(ImageRequest const& request, int fd, std::uint64_t size)
{
    devices::block::ReadEnds const read{fd, size};
    auto const found = devices::block::recognise(read.ends());
    if (found.format == request.format) return;
    if (!found.format) throw ImageRefused{"is " + std::string{found.what} + ": convert it with 'qemu-img convert'"};
    if (request.told) return; // QEMU knows forms of its formats that are not recognised here
    auto const name = format_name(request.format);
    throw ImageRefused{"looks like " + std::string{found.what} + ", though its name says " + name +
                       ": add ',format=" + format_name(*found.format) + "' if that is what it is"};
}

/// What has been asked for, as it lies there. The real path.
std::string look_at(ImageRequest const& request)
{
    std::error_code error;
    auto real = std::filesystem::canonical(request.image, error).string();
    if (error) refuse_to_open(request.read_only, error.value());
    UniqueFd const file{
        ::open(real.c_str(), (request.read_only ? O_RDONLY : O_RDWR) | O_CLOEXEC | O_NONBLOCK | O_NOCTTY)};
    struct ::stat about {};
    if (!file || ::fstat(file.get(), &about) != 0) refuse_to_open(request.read_only, errno);
    auto size = static_cast<std::uint64_t>(about.st_size);
    if (S_ISBLK(about.st_mode)) {
        if (::ioctl(file.get(), BLKGETSIZE64, &size) != 0) refuse_to_open(request.read_only, errno);
    } else if (!S_ISREG(about.st_mode)) {
        throw ImageRefused{"is neither a file nor a block device"};
    }
    check_content(request, file.get(), size);
    return real;
}

std::pair<UniqueFd, UniqueFd> pipe_ends()
{
    std::array<int, 2> ends{};
    if (::pipe2(ends.data(), O_CLOEXEC) != 0) throw std::system_error{errno, std::generic_category(), "pipe2"};
    return {UniqueFd{ends[0]}, UniqueFd{ends[1]}};
}

/// All that comes from both until their ends. False when it takes too long, or is too much.
bool read_all(std::array<int, 2> from, std::array<std::string, 2>& texts)
{
    using namespace std::chrono_literals;
    constexpr std::size_t most = std::size_t{1} << 20;
    auto const deadline = std::chrono::steady_clock::now() + 40s;
    std::array<pollfd, 2> polled{pollfd{from[0], POLLIN, 0}, pollfd{from[1], POLLIN, 0}};
    while (polled[0].fd >= 0 || polled[1].fd >= 0) {
        auto const left =
            std::chrono::duration_cast<std::chrono::milliseconds>(deadline - std::chrono::steady_clock::now());
        if (left.count() <= 0 || ::poll(polled.data(), polled.size(), static_cast<int>(left.count())) < 0)
            return false;
        for (std::size_t i = 0; i < polled.size(); ++i) {
            if (polled[i].fd < 0 || polled[i].revents == 0) continue;
            std::array<char, 4096> some{};
            auto const size = again_if_interrupted([&] { return ::read(polled[i].fd, some.data(), some.size()); });
            if (size <= 0) polled[i].fd = -1;
            if (size > 0) texts[i].append(some.data(), static_cast<std::size_t>(size));
            if (texts[i].size() > most) return false;
        }
    }
    return true;
}

/// What qemu-img says of the image and what it is based on. It may read what lies in the folders that these may be
/// in.
std::string ask(ImageRequest const& request, std::string const& real, std::string const& program)
{
    jail::Landlock rules{{.tcp = true, .scopes = true}};
    auto const folder = std::filesystem::path{real}.parent_path().string();
    std::error_code error;
    if (std::filesystem::is_block_file(real, error))
        rules.allow_disk(real, true);
    else
        rules.allow_read(folder);
    if (!request.backing.empty() && ::access(request.backing.c_str(), F_OK) == 0) rules.allow_read(request.backing);
    auto out = pipe_ends();
    auto said = pipe_ends();
    auto const process = start_confined({.path = program,
                                         .arguments = {"qemu-img", "info", "--output=json", "--backing-chain",
                                                       "--force-share", "-f", format_name(request.format), real},
                                         .folder = folder,
                                         .out = out.second.get(),
                                         .error = said.second.get(),
                                         .looks_only = true,
                                         .calls = built_image_program()},
                                        rules);
    out.second.reset();
    said.second.reset();
    std::array<std::string, 2> texts;
    if (!read_all({out.first.get(), said.first.get()}, texts))
        throw ImageRefused{"cannot be looked at: qemu-img does not come to an end"};
    auto const how = process->how_it_ended();
    if (how == "has ended with status 0") return std::move(texts[0]);
    auto const complaint = complaint_of(texts[1]);
    if (complaint.empty()) throw ImageRefused{"cannot be looked at: qemu-img " + how};
    bool const outside = complaint.find("Permission denied") != std::string::npos;
    throw ImageRefused{
        "cannot be used as " + format_name(request.format) + ": " + complaint +
        (outside ? ": a file outside the image's folder is read when ',backing=FOLDER' names its own" : "")};
}

} // namespace

ImageTools find_image_tools()
{
    return {.qemu_img = find_program("qemu-img"), .qemu_nbd = find_program("qemu-nbd")};
}

std::vector<ImageFile> inspect_image(ImageRequest const& request, ImageTools const& tools)
{
    auto const real = look_at(request);
    for (auto const& [path, name] : {std::pair{&tools.qemu_nbd, "qemu-nbd"}, std::pair{&tools.qemu_img, "qemu-img"}})
        if (path->empty())
            throw ImageRefused{"wants " + std::string{name} + ", which is not installed: install qemu-utils"};
    return image_files(request, real, ask(request, real, tools.qemu_img));
}

std::string complaint_of(std::string_view said)
{
    std::string found;
    while (!said.empty()) {
        auto const end = said.find('\n');
        auto const line = said.substr(0, end);
        said.remove_prefix(end == std::string_view::npos ? said.size() : end + 1);
        if (!line.starts_with("qemu-")) continue;
        auto const colon = line.find(": ");
        found = last_words(colon == std::string_view::npos ? line : line.substr(colon + 2));
    }
    return found;
}

} // namespace vmm::helper
