/// What processes beside Porthole read from one that somebody else has taken over, from images and from qemu-img, and
/// what Porthole reads from them.
///
/// Messages follow one another: the first byte's bit 0 says from which end (1: an answer), bits 7:1 its length, and
/// so many bytes are the message.
#include "hv/fuzz/input.hpp"
#include "vmm/helper/file_server.hpp"
#include "vmm/helper/image_files.hpp"
#include "vmm/helper/image_messages.hpp"
#include "vmm/helper/spawner.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>

using namespace vmm;
using namespace vmm::helper;
namespace block = devices::block;
using hv::fuzz::Input;
using hv::fuzz::require;

namespace {

UniqueFd any()
{
    return UniqueFd{::eventfd(0, EFD_CLOEXEC)};
}

Policy policy()
{
    Policy out;
    out.networks[{0, 0}] = {"the guest", {}};
    out.networks[{1, 2}] = {"guest 'b'", {}};
    return out;
}

/// A folder with a file and a link out of it, which is left behind.
struct Files {
    std::string folder = "/tmp/porthole-fuzz-XXXXXX";
    FilePolicy policy;

    Files()
    {
        require(::mkdtemp(folder.data()) != nullptr, "there is a folder");
        std::ofstream{folder + "/a"} << "content";
        std::filesystem::create_symlink("/etc", folder + "/b");
        policy.allow_folder(folder);
        policy.allow("/dev/null", devices::FileAccess::ReadWrite);
    }
    ~Files() { std::filesystem::remove_all(folder); }
};

/// Paths begin in the folder: what an input cannot guess.
void check_file(FileRequest const& request)
{
    static Files const files;
    auto const file = files.policy.open(files.folder + "/" + request.path, request.access);
    if (!file) return;
    struct ::stat opened {};
    struct ::stat wanted {};
    require(::fstat(file.get(), &opened) == 0 && ::stat((files.folder + "/a").c_str(), &wanted) == 0, "files are");
    require(opened.st_ino == wanted.st_ino && opened.st_dev == wanted.st_dev, "nothing outside the folder is opened");
}

/// What the process of a network asks for.
void check_boot_file(Received const& asked)
{
    static Files const files;
    Policy::Network const serves{"the guest", {}, {.folder = files.folder, .name = {}}};
    auto const wanted = asked.request.wanted;
    require((answer_helper(asked, {}, "/dev/null").error == EPERM) == (wanted != Wanted::ResolvConf),
            "a helper gets one file");
    auto const answer = answer_helper(asked, serves, "/dev/null");
    require(answer.error != 0 || wanted == Wanted::BootFile, "nothing else is opened");
    if (answer.error != 0) return;
    struct ::stat opened {};
    struct ::stat there {};
    require(::fstat(answer.descriptors[0].get(), &opened) == 0 && ::stat((files.folder + "/a").c_str(), &there) == 0,
            "files are");
    require(opened.st_ino == there.st_ino && opened.st_dev == there.st_dev, "nothing outside the folder is opened");
}

/// A request for an image, the image, or what qemu-img says of it.
void check_image(std::span<std::byte const> message)
{
    if (auto const request = parse_image_request(message))
        require(!request->image.empty() && request->image.find('\0') == std::string::npos, "an image has a name");
    require(!block::recognise({message, message}).what.empty(), "any content looks like something");
    try {
        std::string const said{reinterpret_cast<char const*>(message.data()), message.size()};
        auto const files = image_files({.image = "/a", .format = block::ImageFormat::Qcow2}, "/a", said);
        require(files.front() == ImageFile{"/a", false}, "an image is its own first file");
    } catch (ImageRefused const& refused) {
        require(std::string_view{refused.what()}.find('\n') == std::string_view::npos, "a refusal is one line");
    }
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* data, std::size_t size);

extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* data, std::size_t size)
{
    Input input{{data, size}};
    std::array<int, 2> ends{};
    require(::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends.data()) == 0, "there is a socket");
    UniqueFd const porthole{ends[0]};
    UniqueFd const spawner_end{ends[1]};
    unsigned started = 0;
    Spawner spawner{policy(), [&](Policy::Network const& network) {
                        require(!network.guest.empty(), "what is started is of the options");
                        ++started;
                        return Spawner::Started{any(), any(), any(), {}};
                    }};
    while (!input.empty()) {
        auto const how = input.byte();
        auto const message = input.bytes(how >> 1);
        if (message.empty()) continue; // an empty one is the end
        if ((how & 1) != 0) {
            (void)::send(spawner_end.get(), message.data(), message.size(), MSG_DONTWAIT);
            auto const answer = receive_answer(porthole.get(), 0);
            if (answer) require(message.size() == sizeof answer->error, "an answer has its size");
            continue;
        }
        if (auto const file = parse_file_request(std::as_bytes(std::span{message}))) check_file(*file);
        check_image(std::as_bytes(std::span{message}));
        (void)::send(porthole.get(), message.data(), message.size(), MSG_DONTWAIT);
        auto const received = receive_request(spawner_end.get());
        require(received.what != Received::What::End, "nobody has gone");
        auto const& request = received.request;
        auto const is_whole = message.size() == sizeof(Request) ||
                              (request.wanted == Wanted::BootFile && message.size() > sizeof(Request));
        require(received.what != Received::What::Message || is_whole, "a request has its size");
        if (received.what != Received::What::Message) continue;
        require((request.wanted == Wanted::BootFile) == !received.name.empty(), "a name is a file's");
        check_boot_file(received);
        if (!received.name.empty()) continue;
        auto const before = started;
        auto const answer = spawner.answer(request);
        auto const named = request.wanted == Wanted::UserNetwork &&
                           ((request.guest == 0 && request.item == 0) || (request.guest == 1 && request.item == 2));
        require((answer.error == 0) == named && started == before + (named ? 1 : 0),
                "what the options name is started, and nothing else");
    }
    return 0;
}
