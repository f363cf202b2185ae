#include "devices/net/user_network_link.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <fcntl.h>
#include <new>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <system_error>

namespace devices::net {

namespace {

constexpr int seals = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL; // or who maps it would get SIGBUS

[[noreturn]] void fail(char const* what, int error)
{
    throw std::system_error{error, std::generic_category(), what};
}

UniqueFd make_memory()
{
    UniqueFd memory{::memfd_create("user-network", MFD_CLOEXEC | MFD_ALLOW_SEALING)};
    if (!memory || ::ftruncate(memory.get(), static_cast<off_t>(LinkMemory::size)) != 0 ||
        ::fcntl(memory.get(), F_ADD_SEALS, seals) != 0)
        fail("memfd_create", errno);
    return memory;
}

} // namespace

LinkPair make_link()
{
    std::array<int, 2> ends{};
    if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends.data()) != 0) fail("socketpair", errno);
    LinkPair pair;
    pair.vmm.socket = UniqueFd{ends[0]};
    pair.network.socket = UniqueFd{ends[1]};
    pair.vmm.memory = make_memory();
    pair.network.memory = UniqueFd{::fcntl(pair.vmm.memory.get(), F_DUPFD_CLOEXEC, 0)};
    if (!pair.network.memory) fail("dup", errno);
    return pair;
}

LinkMemory::LinkMemory(int fd)
{
    struct ::stat about {};
    if (::fstat(fd, &about) != 0) fail("fstat", errno);
    auto const found = ::fcntl(fd, F_GET_SEALS);
    if (found < 0 || (found & seals) != seals || about.st_size != static_cast<off_t>(size))
        fail("the user-mode network's memory", EINVAL);
    auto* const mapped = ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (mapped == MAP_FAILED) fail("mmap", errno);
    base_ = static_cast<std::byte*>(mapped); // zeros, which is what a Head begins with
}

LinkMemory::~LinkMemory()
{
    ::munmap(base_, size);
}

bool LinkSocket::send(LinkMessage kind, std::string_view text) const
{
    auto letter = static_cast<char>(kind);
    std::array pieces{iovec{&letter, 1}, iovec{const_cast<char*>(text.data()), std::min(text.size(), longest_text)}};
    msghdr message{};
    message.msg_iov = pieces.data();
    message.msg_iovlen = pieces.size();
    for (;;) {
        if (::sendmsg(fd_.get(), &message, MSG_DONTWAIT | MSG_NOSIGNAL) >= 0) return true;
        if (errno != EINTR) return false;
    }
}

std::optional<LinkSocket::Message> LinkSocket::receive()
{
    std::array<char, 1 + longest_text> bytes;
    auto const size = ::recv(fd_.get(), bytes.data(), bytes.size(), MSG_DONTWAIT); // descriptors are closed with it
    if (size < 0 && (errno == EAGAIN || errno == EINTR)) return std::nullopt;
    if (size <= 0) {
        gone_ = true;
        return std::nullopt;
    }
    Message message{LinkMessage::Wake, {}};
    switch (auto const kind = static_cast<LinkMessage>(bytes[0])) {
    case LinkMessage::Wake: break;
    case LinkMessage::Pause:
    case LinkMessage::Resume:
    case LinkMessage::Ready: message.kind = kind; break;
    case LinkMessage::Failed:
    case LinkMessage::Warning:
        message.kind = kind;
        message.text.assign(bytes.data() + 1, static_cast<std::size_t>(size) - 1);
        std::ranges::replace_if(
            message.text, [](char c) { return c < ' ' || c > '~'; }, '?');
        break;
    }
    return message;
}

} // namespace devices::net
