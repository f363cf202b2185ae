#include "devices/block/nbd_backend.hpp"

#include "devices/base/os_error.hpp"
#include "devices/base/quiet_thread.hpp"
#include "devices/block/nbd_connection.hpp"
#include "hv/base/inspect.hpp"

#include <array>
#include <cerrno>
#include <chrono>
#include <poll.h>
#include <sys/eventfd.h>
#include <utility>

namespace devices::block {

namespace {

using namespace std::chrono_literals;

constexpr auto connect_limit = 10s;
constexpr auto reconnect_pause = 1s;

void wake_up(int fd)
{
    std::uint64_t const one = 1;
    while (::write(fd, &one, sizeof one) < 0 && errno == EINTR) {
    }
}

/// "nbd:///export" names no secret; a user's name in "nbds://user@host" is none either.
std::string designation(std::string const& uri)
{
    return "disk '" + uri + "'";
}

} // namespace

/// What the thread runs.
class NbdBackend::Worker {
  public:
    Worker(std::shared_ptr<Shared> shared, std::unique_ptr<NbdConnection> connection, std::string uri, How how,
           std::uint64_t size)
        : shared_{std::move(shared)},
          connection_{std::move(connection)},
          uri_{std::move(uri)},
          how_{std::move(how)},
          size_{size}
    {}

    void run()
    {
        while (!stopping()) {
            if (!connection_) {
                reconnect();
                continue;
            }
            begin_waiting();
            if (!connection_->drive(shared_->wake.get())) lose();
            drain_wake();
        }
        if (connection_) connection_->disconnect();
        connection_.reset();
        refuse_waiting();
    }

  private:
    [[nodiscard]] bool stopping() const
    {
        auto const lock = std::lock_guard{shared_->mutex};
        return shared_->stopping;
    }

    [[nodiscard]] Request* take_waiting() const
    {
        auto const lock = std::lock_guard{shared_->mutex};
        auto* const first = std::exchange(shared_->first, nullptr);
        shared_->end = &shared_->first;
        return first;
    }

    void begin_waiting()
    {
        for (auto* request = take_waiting(); request;) {
            auto* const next = request->progress.next;
            if (request->operation == Operation::Flush && std::exchange(lost_writes_, false)) {
                request->completed(Result::Failed);
            } else {
                connection_->begin(*request);
            }
            request = next;
        }
    }

    void refuse_waiting() const
    {
        for (auto* request = take_waiting(); request;) {
            auto* const next = request->progress.next;
            request->completed(Result::Unreachable);
            request = next;
        }
    }

    void lose()
    {
        {
            auto const lock = std::lock_guard{shared_->mutex};
            shared_->connected = false;
            ++shared_->lost_connections;
        }
        lost_writes_ = lost_writes_ || connection_->has_unflushed_writes();
        connection_.reset();
        refuse_waiting();
        tell("has lost its server: the guest gets errors until it is back");
    }

    void reconnect()
    {
        auto connection = std::make_unique<NbdConnection>();
        auto const complaint = connection->connect(uri_, shared_->wake.get(), connect_limit);
        drain_wake();
        if (complaint.empty() && connection->properties().size >= size_) {
            connection_ = std::move(connection);
            auto const lock = std::lock_guard{shared_->mutex};
            shared_->connected = true;
        } else {
            if (complaint.empty() && !std::exchange(told_of_size_, true)) tell("has a smaller export now: not used");
            pollfd wake{shared_->wake.get(), POLLIN, 0};
            poll(&wake, 1, static_cast<int>(std::chrono::milliseconds{reconnect_pause}.count()));
            return;
        }
        tell("has its server again");
    }

    void drain_wake() const
    {
        std::uint64_t count = 0;
        (void)!::read(shared_->wake.get(), &count, sizeof count);
    }

    void tell(std::string const& what) const
    {
        if (how_.notice) how_.notice(designation(uri_) + " " + what);
    }

    std::shared_ptr<Shared> const shared_;
    std::unique_ptr<NbdConnection> connection_;
    std::string const uri_;
    How const how_;
    std::uint64_t const size_;
    bool lost_writes_ = false;
    bool told_of_size_ = false;
};

bool NbdBackend::is_uri(std::string_view text)
{
    constexpr std::array<std::string_view, 4> schemes{"nbd://", "nbds://", "nbd+unix://", "nbds+unix://"};
    for (auto const scheme : schemes)
        if (text.starts_with(scheme)) return true;
    return false;
}

NbdBackend::NbdBackend(std::string uri, How how) : uri_{std::move(uri)}, shared_{std::make_shared<Shared>()}
{
    auto const refuse = [this](std::string const& why) { throw OpenError{designation(uri_) + " " + why}; };
    shared_->wake = UniqueFd{eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)};
    if (!shared_->wake) refuse(std::string{"cannot be opened: eventfd: "} + os_error(errno));

    auto connection = std::make_unique<NbdConnection>();
    if (auto const complaint = connection->connect(uri_, shared_->wake.get(), connect_limit); !complaint.empty())
        refuse("cannot be reached: " + complaint);
    properties_ = connection->properties();
    if (properties_.size == 0) refuse("is empty");
    if (properties_.size % how.block_size != 0) {
        refuse("has " + std::to_string(properties_.size) + " bytes, which is no multiple of " +
               std::to_string(how.block_size));
    }
    if (properties_.read_only && !how.read_only) refuse("is served read-only: add ',ro'");
    properties_.read_only = how.read_only;
    if (how.read_only) properties_.discard = false;
    shared_->connected = true;

    auto worker = std::make_shared<Worker>(shared_, std::move(connection), uri_, std::move(how), properties_.size);
    thread_ = quiet_thread([worker] { worker->run(); });
}

NbdBackend::~NbdBackend()
{
    stop();
    if (thread_.get_id() == std::this_thread::get_id()) {
        thread_.detach(); // it answered the last request, and its owner went with it
    } else {
        thread_.join();
    }
}

std::optional<Result> NbdBackend::submit(Request& request)
{
    {
        auto const lock = std::lock_guard{shared_->mutex};
        if (shared_->stopping || !shared_->connected) return Result::Unreachable;
        request.progress.next = nullptr;
        *shared_->end = &request;
        shared_->end = &request.progress.next;
    }
    wake_up(shared_->wake.get());
    return std::nullopt;
}

void NbdBackend::stop()
{
    {
        auto const lock = std::lock_guard{shared_->mutex};
        shared_->stopping = true;
    }
    wake_up(shared_->wake.get());
}

void NbdBackend::inspect(hv::Inspector& inspector) const
{
    auto const lock = std::lock_guard{shared_->mutex};
    inspector.text("uri", uri_);
    inspector.flag("connected", shared_->connected);
    inspector.number("lost_connections", shared_->lost_connections);
}

} // namespace devices::block
