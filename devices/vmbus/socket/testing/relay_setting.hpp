/// A relay, the programs of the host around it, and what it offers to the guest.
#pragma once

#include "devices/vmbus/socket/relay.hpp"
#include "devices/vmbus/socket/testing/socket_guest.hpp"
#include "hv/testing/vmbus_guest.hpp"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <mutex>
#include <new>
#include <string>
#include <sys/socket.h>
#include <sys/un.h>
#include <vector>

namespace devices::vmbus::socket::testing {

inline constexpr std::chrono::seconds long_enough{10}; // nothing here takes that long unless it is broken

/// Keeps what is offered until the test takes it.
class KeepingBus final : public hv::vmbus::Bus {
  public:
    struct Offer {
        hv::vmbus::OfferSpec spec;
        std::shared_ptr<hv::vmbus::ChannelDevice> device;
    };

    void offer(hv::vmbus::OfferSpec const& spec, std::shared_ptr<hv::vmbus::ChannelDevice> device) override
    {
        std::scoped_lock const lock{mutex_};
        if (fails_once.exchange(false)) throw std::bad_alloc{};
        offers_.push_back({spec, std::move(device)});
        changed_.notify_all();
    }
    void withdraw(hv::vmbus::Guid const& instance) override
    {
        std::scoped_lock const lock{mutex_};
        withdrawn_.push_back(instance);
        changed_.notify_all();
    }
    hv::vmbus::Runner& runner() override { return executor_; }

    Offer take_offer()
    {
        std::unique_lock lock{mutex_};
        REQUIRE(changed_.wait_for(lock, long_enough, [this] { return !offers_.empty(); }));
        auto offer = std::move(offers_.front());
        offers_.erase(offers_.begin());
        return offer;
    }
    bool has_offer()
    {
        std::scoped_lock const lock{mutex_};
        return !offers_.empty();
    }
    void await_withdrawal(hv::vmbus::Guid const& instance)
    {
        std::unique_lock lock{mutex_};
        REQUIRE(changed_.wait_for(lock, long_enough,
                                  [&] { return std::ranges::find(withdrawn_, instance) != withdrawn_.end(); }));
    }

    std::atomic<bool> fails_once = false;

  private:
    hv::testing::CrankedExecutor executor_;
    std::mutex mutex_;
    std::condition_variable changed_;
    std::vector<Offer> offers_;
    std::vector<hv::vmbus::Guid> withdrawn_;
};

class Folder {
  public:
    Folder()
    {
        std::string name = std::filesystem::temp_directory_path() / "porthole-vsock.XXXXXX";
        REQUIRE(::mkdtemp(name.data()));
        path = name;
    }
    Folder(Folder const&) = delete;
    Folder& operator=(Folder const&) = delete;
    ~Folder() { std::filesystem::remove_all(path); }

    std::string path;
};

inline sockaddr_un address_of(std::string const& path)
{
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    path.copy(address.sun_path, sizeof address.sun_path - 1);
    return address;
}

inline UniqueFd listen_at(std::string const& path, int flags = 0)
{
    UniqueFd fd{::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | flags, 0)};
    auto const address = address_of(path);
    REQUIRE(::bind(fd.get(), reinterpret_cast<sockaddr const*>(&address), sizeof address) == 0);
    REQUIRE(::listen(fd.get(), 300) == 0);
    return fd;
}

/// Gives up after a while, rather than wait for ever.
inline UniqueFd patient(UniqueFd fd)
{
    timeval const limit{long_enough.count(), 0};
    ::setsockopt(fd.get(), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    return fd;
}

inline UniqueFd connect_to(std::string const& path)
{
    UniqueFd fd{::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)};
    auto const address = address_of(path);
    REQUIRE(::connect(fd.get(), reinterpret_cast<sockaddr const*>(&address), sizeof address) == 0);
    return patient(std::move(fd));
}

/// Waits for that many bytes, or the end.
inline std::string read(UniqueFd const& fd, std::size_t length)
{
    std::string text(length, '\0');
    auto const count = ::recv(fd.get(), text.data(), length, MSG_WAITALL);
    text.resize(count > 0 ? static_cast<std::size_t>(count) : 0);
    return text;
}

inline bool ends(UniqueFd const& fd)
{
    char byte = 0;
    auto const count = ::recv(fd.get(), &byte, 1, 0);
    return count == 0 || (count < 0 && errno == ECONNRESET);
}

struct Setting {
    Folder folder;
    std::string const path = folder.path + "/guest.sock";
    UniqueFd const listener = listen_at(path, SOCK_NONBLOCK);
    KeepingBus bus;
    std::vector<hv::vmbus::Guid> refused;
    std::mutex mutex;
    std::condition_variable changed;
    std::vector<std::string> reports;
    std::shared_ptr<Relay> relay;

    explicit Setting(std::chrono::milliseconds patience = long_enough)
    {
        relay = std::make_shared<Relay>(Relay::World{
            path, listener.get(), bus,
            [this](hv::vmbus::Guid const& endpoint, hv::vmbus::Guid const&) { refused.push_back(endpoint); },
            [this](std::string const& text) { said(text); }, patience});
        relay->start();
    }
    ~Setting() { relay->stop(); }

    void said(std::string const& text)
    {
        std::scoped_lock const lock{mutex};
        reports.push_back(text);
        changed.notify_all();
    }
    std::string await_report()
    {
        std::unique_lock lock{mutex};
        REQUIRE(changed.wait_for(lock, long_enough, [this] { return !reports.empty(); }));
        return reports.front();
    }

    /// The guest opens what it was offered.
    static std::shared_ptr<devices::testing::DeviceChannel> open(KeepingBus::Offer const& offer)
    {
        auto channel = std::make_shared<devices::testing::DeviceChannel>(6);
        channel->connect(offer.device.get());
        offer.device->open(channel);
        return channel;
    }
};

} // namespace devices::vmbus::socket::testing
