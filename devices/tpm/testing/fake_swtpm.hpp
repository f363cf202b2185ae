/// The other end of swtpm's sockets, played by a thread of the test's.
#pragma once

#include "devices/tpm/swtpm.hpp"

#include <algorithm>
#include <array>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <functional>
#include <initializer_list>
#include <memory>
#include <mutex>
#include <optional>
#include <poll.h>
#include <span>
#include <stdexcept>
#include <string>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <thread>
#include <unistd.h>
#include <utility>
#include <vector>

namespace devices::tpm::testing {

using Bytes = std::vector<std::byte>;

inline Bytes bytes_of(std::initializer_list<unsigned> values)
{
    Bytes bytes;
    for (auto const value : values)
        bytes.push_back(static_cast<std::byte>(value));
    return bytes;
}

/// A header alone: a command, or a response.
inline Bytes header(std::uint32_t code, std::uint32_t size = header_bytes)
{
    return bytes_of({0x80, 0x01, size >> 24, size >> 16 & 0xFF, size >> 8 & 0xFF, size & 0xFF, code >> 24,
                     code >> 16 & 0xFF, code >> 8 & 0xFF, code & 0xFF});
}

class FakeSwtpm {
  public:
    /// What it says to a command, or nothing, which is to say nothing at all.
    using Respond = std::function<Bytes(Bytes const& command)>;

    struct Behaviour {
        Respond respond = [](Bytes const&) { return header(0); };
        std::uint32_t refuses = 0;    ///< this command of the control channel
        std::uint32_t ends_with = 0;  ///< ends, rather than answer this one
        std::uint32_t ignores = 0;    ///< takes it, and says nothing
        bool ends_on_command = false; ///< of the guest's
    };

    explicit FakeSwtpm(Behaviour behaviour) : behaviour_{std::move(behaviour)}, stop_{::eventfd(0, EFD_CLOEXEC)}
    {
        std::array<int, 2> ends{};
        if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()) != 0)
            throw std::runtime_error{"socketpair"};
        theirs_ = UniqueFd{ends[0]};
        control_ = UniqueFd{ends[1]};
        thread_ = std::thread{[this] { serve(); }};
    }
    FakeSwtpm() : FakeSwtpm{Behaviour{}} {}
    FakeSwtpm(FakeSwtpm const&) = delete;
    FakeSwtpm& operator=(FakeSwtpm const&) = delete;
    ~FakeSwtpm() { end(); }

    /// As Porthole sees it.
    std::unique_ptr<SwtpmProcess> process()
    {
        class Process final : public SwtpmProcess {
          public:
            explicit Process(UniqueFd connection) : connection_{std::move(connection)} {}
            UniqueFd take_connection() override { return std::move(connection_); }
            std::string how_it_ended() override { return "has ended as the test wants"; }

          private:
            UniqueFd connection_;
        };
        return std::make_unique<Process>(std::move(theirs_));
    }

    /// It is killed.
    void end()
    {
        std::uint64_t const one = 1;
        [[maybe_unused]] auto const written = ::write(stop_.get(), &one, sizeof one);
        if (thread_.joinable()) thread_.join();
    }

    /// Commands of the control channel, in order, without their bodies.
    std::vector<std::uint32_t> asked() const
    {
        std::lock_guard const lock{mutex_};
        return asked_;
    }

  private:
    static constexpr std::uint32_t init = 2;
    static constexpr std::uint32_t set_datafd = 16;
    static constexpr std::uint32_t set_buffersize = 17;

    void serve()
    {
        while (serve_one()) {
        }
        data_.reset();
        control_.reset();
    }

    bool serve_one()
    {
        std::array<pollfd, 3> polled{
            pollfd{stop_.get(), POLLIN, 0}, {control_.get(), POLLIN, 0}, {data_ ? data_.get() : -1, POLLIN, 0}};
        if (::poll(polled.data(), polled.size(), -1) < 0 || polled[0].revents != 0) return false;
        if (polled[1].revents != 0) return take_control();
        return polled[2].revents == 0 || take_command();
    }

    bool take_control()
    {
        std::array<std::byte, 64> bytes{};
        alignas(cmsghdr) std::array<std::byte, CMSG_SPACE(sizeof(int))> beside{};
        iovec part{bytes.data(), bytes.size()};
        msghdr message{};
        message.msg_iov = &part;
        message.msg_iovlen = 1;
        message.msg_control = beside.data();
        message.msg_controllen = beside.size();
        if (::recvmsg(control_.get(), &message, MSG_CMSG_CLOEXEC) < 4) return false;
        auto const command = std::to_integer<std::uint32_t>(bytes[3]);
        {
            std::lock_guard const lock{mutex_};
            asked_.push_back(command);
        }
        if (auto const* const head = CMSG_FIRSTHDR(&message); head && command == set_datafd) {
            int fd = -1;
            std::memcpy(&fd, CMSG_DATA(head), sizeof fd);
            data_ = UniqueFd{fd};
        }
        if (command == behaviour_.ends_with) return false;
        if (command == behaviour_.ignores) return true;
        if (command == behaviour_.refuses) return say(control_.get(), bytes_of({0, 0, 0, 9}));
        return say(control_.get(), Bytes(command == set_buffersize ? 16 : 4));
    }

    bool take_command()
    {
        Bytes command(8192);
        auto const size = ::read(data_.get(), command.data(), command.size());
        if (size <= 0) return false;
        if (behaviour_.ends_on_command) return false;
        command.resize(static_cast<std::size_t>(size));
        auto const response = behaviour_.respond(command);
        constexpr std::size_t piece = 7; // in pieces, none of which is a header
        for (std::size_t at = 0; at < response.size(); at += piece) {
            auto const size_now = std::min(piece, response.size() - at);
            if (!say(data_.get(), Bytes{response.begin() + static_cast<std::ptrdiff_t>(at),
                                        response.begin() + static_cast<std::ptrdiff_t>(at + size_now)}))
                return false;
        }
        return true;
    }

    static bool say(int fd, Bytes const& bytes)
    {
        return bytes.empty() || ::send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL) > 0;
    }

    Behaviour const behaviour_;
    UniqueFd const stop_;
    UniqueFd theirs_;
    UniqueFd control_;
    UniqueFd data_;
    mutable std::mutex mutex_;
    std::vector<std::uint32_t> asked_;
    std::thread thread_;
};

/// A response that is waited for.
class Awaited final : public Waiter {
  public:
    void answered(std::span<std::byte const> response) noexcept override
    {
        std::lock_guard const lock{mutex_};
        response_.emplace(response.begin(), response.end());
        came_.notify_all();
    }
    Bytes wait()
    {
        std::unique_lock lock{mutex_};
        came_.wait(lock, [&] { return response_.has_value(); });
        return *response_;
    }

  private:
    std::mutex mutex_;
    std::condition_variable came_;
    std::optional<Bytes> response_;
};

} // namespace devices::tpm::testing
