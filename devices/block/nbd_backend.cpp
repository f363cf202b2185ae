#include "devices/block/nbd_backend.hpp"

#include "devices/base/guarded_thread.hpp"
#include "devices/base/os_error.hpp"
#include "devices/block/nbd_connection.hpp"
#include "hv/base/inspect.hpp"

#include <array>
#include <cerrno>
#include <chrono>
#include <optional>
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
std::string designation(std::string const& name)
{
    return "disk '" + name + "'";
}

/// What is wrong with an export, or an empty text.
std::string complaint(Properties const& properties, NbdBlockSizes const& sizes, std::uint64_t block_size)
{
    if (properties.size == 0) return "is empty";
    auto const bytes = "has " + std::to_string(properties.size) + " bytes, which is no multiple of ";
    if (properties.size % block_size != 0) return bytes + std::to_string(block_size);
    if (properties.size % sizes.minimum == 0) return {};
    return bytes + "the " + std::to_string(sizes.minimum) +
           " that its server moves at least, so that nothing can reach its end: enlarge it with 'truncate -s %" +
           std::to_string(sizes.minimum) + "', or set the server's minimum block size";
}

} // namespace

/// What the thread runs.
class NbdBackend::Worker {
  public:
    Worker(std::shared_ptr<Shared> shared, std::unique_ptr<NbdSource> source, How how)
        : shared_{std::move(shared)},
          source_{std::move(source)},
          how_{std::move(how)},
          budget_{how_.memory ? how_.memory : std::make_shared<IoBudget>()},
          memory_{*budget_, [shared = shared_] { wake_up(shared->wake.get()); }}
    {}

    /// The first connection. Throws OpenError.
    [[nodiscard]] Properties connect()
    {
        auto const refuse = [this](std::string const& why) {
            throw OpenError{designation(source_->name()) + " " + why};
        };
        connection_.emplace(memory_);
        if (auto const why = connection_->connect(*source_, shared_->wake.get(), connect_limit); !why.empty())
            refuse(source_->no_connection(why));
        auto const properties = connection_->properties();
        if (auto const why = complaint(properties, connection_->block_sizes(), how_.block_size); !why.empty())
            refuse(why);
        if (properties.read_only && !how_.read_only) refuse("is served read-only: add ',ro'");
        size_ = properties.size;
        set_connected();
        return properties;
    }

    void run()
    {
        while (!stopping()) {
            contain([this] { step(); }, [this](char const*) { fail(); });
        }
        // A goodbye reads what the server still sends.
        if (connection_ && begin_using_memory()) {
            connection_->disconnect();
            end_using_memory();
        }
        connection_.reset();
        refuse_waiting();
        source_->end();
        auto const line = shared_->line.lock();
        line->ended = true;
        shared_->end_came.notify_all();
    }

  private:
    void step()
    {
        if (!connection_) return source_->comes_back() ? reconnect() : rest();
        if (!begin_using_memory()) return;
        begin_waiting();
        bool const fine = connection_->drive(shared_->wake.get());
        end_using_memory();
        if (!fine) lose({});
        drain_wake();
    }

    /// Rests while the backend is quiesced. False when it is and is to stop.
    [[nodiscard]] bool begin_using_memory() const
    {
        auto line = shared_->line.lock();
        line.wait(shared_->rest_over, [&] { return !line->quiesced || line->stopping; });
        line->uses_memory = !line->quiesced;
        return line->uses_memory;
    }

    void end_using_memory() const
    {
        hv::StillBusy at_rest; // let go of without the lock
        auto const line = shared_->line.lock();
        line->uses_memory = false;
        at_rest = std::move(line->busy);
    }

    /// Something was thrown, for want of memory. What was under way on the connection is answered with it.
    void fail()
    {
        end_using_memory();
        if (connection_) return lose("had no memory for what its server sent: the guest gets errors");
        pause();
    }

    [[nodiscard]] bool stopping() const { return shared_->line.lock()->stopping; }

    [[nodiscard]] Request* take_waiting() const
    {
        auto const line = shared_->line.lock();
        auto* const first = std::exchange(line->first, nullptr);
        line->end = &line->first;
        return first;
    }

    [[nodiscard]] Request* take_one() const
    {
        auto const line = shared_->line.lock();
        auto* const request = line->first;
        if (!request) return nullptr;
        line->first = request->progress.next;
        if (!line->first) line->end = &line->first;
        return request;
    }

    void begin_waiting()
    {
        while (auto* const request = take_one()) {
            if (request->operation == Operation::Flush && std::exchange(lost_writes_, false))
                request->completed(Result::Failed);
            else
                connection_->begin(*request);
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

    void set_connected() const
    {
        auto const line = shared_->line.lock();
        line->connected = true;
        line->sizes = connection_->block_sizes();
    }

    /// Without a reason the source has one.
    void lose(std::string const& why)
    {
        {
            auto const line = shared_->line.lock();
            line->connected = false;
            ++line->lost_connections;
        }
        lost_writes_ = lost_writes_ || connection_->has_unflushed_writes();
        connection_.reset();
        refuse_waiting();
        tell(why.empty() ? source_->lost() : why);
    }

    void reconnect()
    {
        connection_.emplace(memory_);
        auto why = connection_->connect(*source_, shared_->wake.get(), connect_limit);
        drain_wake();
        if (why.empty() &&
            (connection_->properties().size < size_ ||
             !complaint(connection_->properties(), connection_->block_sizes(), how_.block_size).empty())) {
            why = "another size";
            if (!std::exchange(told_of_size_, true)) tell("has a smaller export now, or other blocks: not used");
        }
        if (!why.empty()) {
            connection_.reset();
            return pause();
        }
        set_connected();
        tell("has its server again");
    }

    /// Its server does not come back.
    void rest() const
    {
        pollfd wake{shared_->wake.get(), POLLIN, 0};
        poll(&wake, 1, -1);
        drain_wake();
    }

    void pause() const
    {
        pollfd wake{shared_->wake.get(), POLLIN, 0};
        poll(&wake, 1, static_cast<int>(std::chrono::milliseconds{reconnect_pause}.count()));
    }

    void drain_wake() const
    {
        std::uint64_t count = 0;
        (void)!::read(shared_->wake.get(), &count, sizeof count);
    }

    void tell(std::string const& what) const
    {
        if (how_.notice && !stopping()) how_.notice(designation(source_->name()) + " " + what);
    }

    std::shared_ptr<Shared> const shared_;
    std::unique_ptr<NbdSource> const source_;
    How const how_;
    std::shared_ptr<IoBudget> const budget_;
    IoBudget::Account memory_;
    std::optional<NbdConnection> connection_;
    std::uint64_t size_ = 0;
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

NbdBackend::NbdBackend(std::unique_ptr<NbdSource> source, How how)
    : name_{source->name()}, shared_{std::make_shared<Shared>()}
{
    shared_->wake = UniqueFd{eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)};
    if (!shared_->wake) throw OpenError{designation(name_) + " cannot be opened: eventfd: " + os_error(errno)};

    std::stop_callback const stopped{how.stop, [this] { wake_up(shared_->wake.get()); }};
    bool const read_only = how.read_only;
    auto worker = std::make_shared<Worker>(shared_, std::move(source), std::move(how));
    properties_ = worker->connect();
    properties_.read_only = read_only;
    if (read_only) properties_.discard = false;
    thread_ = guarded_thread(
        ThreadRole::NbdClient, [worker] { worker->run(); }, [](char const*) {});
}

NbdBackend::~NbdBackend()
{
    constexpr auto patience = 2s;
    stop();
    bool ended = false;
    if (thread_.get_id() != std::this_thread::get_id()) {
        auto line = shared_->line.lock();
        auto const deadline = std::chrono::steady_clock::now() + patience;
        ended = line.wait_until(shared_->end_came, deadline, [&] { return line->ended; });
    }
    if (ended)
        thread_.join();
    else
        thread_.detach(); // it answered the last request, and its owner went with it; or it hangs
}

std::optional<Result> NbdBackend::submit(Request& request)
{
    {
        auto const line = shared_->line.lock();
        if (line->stopping || !line->connected) return Result::Unreachable;
        request.progress.next = nullptr;
        *line->end = &request;
        line->end = &request.progress.next;
    }
    wake_up(shared_->wake.get());
    return std::nullopt;
}

void NbdBackend::stop()
{
    shared_->line.lock()->stopping = true;
    shared_->rest_over.notify_all();
    wake_up(shared_->wake.get());
}

void NbdBackend::quiesce(hv::StillBusy busy)
{
    {
        auto const line = shared_->line.lock();
        line->quiesced = true;
        if (line->uses_memory) line->busy = std::move(busy);
    }
    wake_up(shared_->wake.get());
}

void NbdBackend::resume()
{
    hv::StillBusy forgotten;
    {
        auto const line = shared_->line.lock();
        line->quiesced = false;
        forgotten = std::move(line->busy);
    }
    shared_->rest_over.notify_all();
}

void NbdBackend::inspect(hv::Inspector& inspector) const
{
    auto const line = shared_->line.lock();
    inspector.text("uri", name_);
    inspector.flag("connected", line->connected);
    inspector.number("lost_connections", line->lost_connections);
    inspector.number("minimum_block", line->sizes.minimum);
    inspector.number("preferred_block", line->sizes.preferred);
    inspector.number("maximum_transfer", line->sizes.maximum);
}

} // namespace devices::block
