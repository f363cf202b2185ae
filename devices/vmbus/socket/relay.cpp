#include "devices/vmbus/socket/relay.hpp"

#include "devices/base/os_error.hpp"
#include "devices/vmbus/socket/handshake.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <utility>
#include <vector>

namespace devices::vmbus::socket {

namespace {

constexpr std::uint64_t event_id = 0;
constexpr std::uint64_t listener_id = 1;
constexpr std::uint64_t first_id = 2;

constexpr std::chrono::seconds retry{1};
constexpr unsigned accepted_at_once = 64;

/// Connecting to a UNIX socket does not take time: it succeeds or fails at once. With errno when there is no socket.
UniqueFd connect_to(std::string const& path)
{
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    if (path.size() >= sizeof address.sun_path) {
        errno = ENAMETOOLONG;
        return {};
    }
    std::memcpy(address.sun_path, path.data(), path.size());
    UniqueFd fd{::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)};
    if (!fd || ::connect(fd.get(), reinterpret_cast<sockaddr const*>(&address), sizeof address) == 0) return fd;
    auto const error = errno;
    fd.reset();
    errno = error;
    return {};
}

} // namespace

Relay::Relay(World world) : world_{std::move(world)}, poller_{std::make_shared<Poller>()}
{
    book_.lock()->next_id = first_id;
}

Relay::~Relay()
{
    stop();
}

void Relay::start()
{
    listen();
    thread_.begin([this] { run(); },
                  [this](char const* why) {
                      end_all();
                      world_.report(std::string{"its sockets have failed: "} + why + ": the guest has none any more");
                  });
}

void Relay::listen()
{
    poller_->ask(thread_.event(), event_id, EPOLLIN);
    poller_->ask(world_.listener, listener_id, EPOLLIN);
}

void Relay::stop()
{
    thread_.end();
    end_all();
}

void Relay::end_all()
{
    std::vector<std::shared_ptr<Connection>> connections;
    {
        auto const book = book_.lock();
        book->clients.clear();
        for (auto const& [id, entry] : book->connections)
            connections.push_back(entry.connection);
    }
    for (auto const& connection : connections)
        connection->end();
}

void Relay::run()
{
    while (!thread_.ending()) {
        put_off_deadlines(thread_.rest_if_asked());
        serve(until_next_deadline());
    }
}

void Relay::put_off_deadlines(std::chrono::nanoseconds by)
{
    if (by == by.zero()) return;
    auto const book = book_.lock();
    for (auto& [id, deadline] : book->deadlines)
        deadline += by;
}

void Relay::serve(std::optional<std::chrono::milliseconds> wait)
{
    poller_->wait(wait, [this](std::uint64_t id, std::uint32_t) {
        contain([&] { host_ready(id); }, [&](char const* why) { drop(id, why); });
    });
    end_overdue();
}

/// What failed costs one connection.
void Relay::drop(std::uint64_t id, char const* why)
{
    if (id == listener_id) poller_->ask(world_.listener, listener_id, EPOLLIN); // who was being accepted is gone
    std::shared_ptr<Connection> connection;
    {
        auto const book = book_.lock();
        book->clients.erase(id);
        book->deadlines.erase(id);
        connection = book->connection(id);
    }
    if (connection) connection->end();
    say_dropped(why);
}

void Relay::say_dropped(char const* why)
{
    if (!said_dropped_.exchange(true)) world_.report(std::string{"a connection of its sockets has failed: "} + why);
}

/// No descriptor or memory.
void Relay::no_socket(int error)
{
    if (said_no_socket_.exchange(true)) return;
    world_.report("its sockets get none for another connection: " + os_error(error));
}

void Relay::host_ready(std::uint64_t id)
{
    if (id == event_id) {
        thread_.clear();
        poller_->ask(thread_.event(), event_id, EPOLLIN);
        return;
    }
    if (id == listener_id) return accept_clients();

    if (auto const connection = book_.lock()->connection(id))
        connection->host_ready();
    else
        read_line(id);
}

void Relay::accept_clients()
{
    for (unsigned i = 0; i < accepted_at_once; ++i) {
        UniqueFd fd{::accept4(world_.listener, nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK)};
        auto const error = fd ? 0 : errno;
        if (error == EAGAIN) break;
        if (error == EINTR || error == ECONNABORTED) continue;
        auto const book = book_.lock();
        if (!fd) { // whoever waits does so still: not at once again
            book->deadlines[listener_id] = std::chrono::steady_clock::now() + retry;
            return no_socket(error);
        }
        if (book->full()) {
            ++book->refused;
            continue;
        }
        auto const id = book->next_id++;
        book->deadlines[id] = std::chrono::steady_clock::now() + world_.patience;
        poller_->ask(fd.get(), id, EPOLLIN);
        book->clients.emplace(id, Client{std::move(fd), {}});
    }
    poller_->ask(world_.listener, listener_id, EPOLLIN);
}

/// Takes no byte beyond the line's end: the rest is the guest's.
void Relay::read_line(std::uint64_t id)
{
    auto asked = take_request(id);
    if (asked) connect_to_guest(std::move(asked->client), asked->port);
}

/// Nothing when it has not said all, or nothing that can be done: then it is gone.
std::optional<Relay::Asked> Relay::take_request(std::uint64_t id)
{
    auto const book = book_.lock();
    auto const found = book->clients.find(id);
    if (found == book->clients.end()) return std::nullopt;
    auto& client = found->second;

    std::array<char, longest_request> bytes{};
    auto const seen = ::recv(client.fd.get(), bytes.data(), bytes.size() - client.line.size(), MSG_PEEK);
    auto const go_on = [&] {
        poller_->ask(client.fd.get(), id, EPOLLIN);
        return std::nullopt;
    };
    if (seen < 0 && (errno == EAGAIN || errno == EINTR)) return go_on();
    std::string_view const text{bytes.data(), static_cast<std::size_t>(std::max<ssize_t>(seen, 0))};
    auto const end = text.find('\n');
    bool const whole = end != std::string_view::npos;
    auto const wanted = whole ? end + 1 : text.size();
    auto const taken = ::recv(client.fd.get(), bytes.data(), wanted, 0);
    if (taken == static_cast<ssize_t>(wanted)) client.line += text.substr(0, wanted);
    bool const hopeless = taken <= 0 || (!whole && client.line.size() == longest_request);
    if (!whole && !hopeless) return go_on();

    auto const port = whole ? requested_port(client.line) : std::nullopt;
    auto fd = std::move(client.fd);
    book->clients.erase(found);
    book->deadlines.erase(id);
    if (port) return Asked{std::move(fd), *port};
    ++book->refused;
    return std::nullopt;
}

void Relay::connect_to_guest(UniqueFd client, Port port)
{
    Port end;
    {
        auto const book = book_.lock();
        do
            end.value = book->next_port++;
        while (book->knows(host_end_of(end)));
    }
    static_cast<void>(
        add(std::move(client), greeting_for(end), host_end_of(end), service_of(port), Direction::FromHost));
}

void Relay::connect_requested(hv::vmbus::Guid const& endpoint, hv::vmbus::Guid const& service)
{
    auto const port = port_of(service);
    auto host = port ? connect_to(path_for(world_.path, *port)) : UniqueFd{};
    if (port && !host && errno != EAGAIN && is_limit(errno)) no_socket(errno); // EAGAIN: the program takes no more
    if (!host || !add(std::move(host), {}, endpoint, service, Direction::FromGuest)) world_.refuse(endpoint, service);
}

bool Relay::add(UniqueFd host, std::string greeting, hv::vmbus::Guid const& instance, hv::vmbus::Guid const& service,
                Direction direction)
{
    std::shared_ptr<Connection> connection;
    {
        auto const book = book_.lock();
        if (book->full() || book->knows(instance)) {
            ++book->refused;
            return false;
        }
        auto const id = book->next_id++;
        connection = std::make_shared<Connection>(Connection::Parts{id, std::move(host), std::move(greeting), poller_,
                                                                    [weak = weak_from_this(), id] {
                                                                        if (auto const self = weak.lock())
                                                                            self->ended(id);
                                                                    }},
                                                  world_.bus.runner());
        book->connections.emplace(id, Entry{instance, connection});
        book->deadlines[id] = std::chrono::steady_clock::now() + world_.patience;
    }
    thread_.wake(); // there is one more deadline
    return contain([&] { world_.bus.offer(offer(service, instance, direction), connection); },
                   [&](char const* why) {
                       connection->end();
                       say_dropped(why);
                   });
}

void Relay::ended(std::uint64_t id)
{
    std::optional<hv::vmbus::Guid> instance;
    {
        auto const book = book_.lock();
        auto const found = book->connections.find(id);
        if (found == book->connections.end()) return;
        instance = found->second.instance;
        book->connections.erase(found);
        book->deadlines.erase(id);
    }
    world_.bus.withdraw(*instance);
}

bool Relay::Book::knows(hv::vmbus::Guid const& instance) const
{
    return std::ranges::any_of(connections, [&](auto const& item) { return item.second.instance == instance; });
}

std::shared_ptr<Connection> Relay::Book::connection(std::uint64_t id) const
{
    auto const found = connections.find(id);
    return found == connections.end() ? nullptr : found->second.connection;
}

std::optional<std::chrono::milliseconds> Relay::until_next_deadline()
{
    using std::chrono::ceil, std::chrono::milliseconds;
    auto const book = book_.lock();
    if (book->deadlines.empty()) return std::nullopt;
    auto const first = std::ranges::min_element(book->deadlines, {}, &std::pair<std::uint64_t const, Time>::second);
    return std::max(milliseconds{0}, ceil<milliseconds>(first->second - std::chrono::steady_clock::now()));
}

void Relay::end_overdue()
{
    std::vector<std::shared_ptr<Connection>> connections;
    {
        auto const book = book_.lock();
        auto const now = std::chrono::steady_clock::now();
        std::erase_if(book->deadlines, [&](auto const& item) {
            if (item.second > now) return false;
            if (item.first == listener_id) poller_->ask(world_.listener, listener_id, EPOLLIN);
            if (book->clients.erase(item.first) > 0) {
                ++book->refused;
            } else if (auto const found = book->connections.find(item.first); found != book->connections.end()) {
                connections.push_back(found->second.connection);
            }
            return true;
        });
    }
    for (auto const& connection : connections) {
        if (!connection->was_opened()) connection->end();
    }
}

void Relay::inspect(hv::Inspector& inspector) const
{
    hv::InspectedNode const node{inspector, "sockets"};
    auto const book = book_.lock();
    inspector.text("path", world_.path);
    inspector.number("clients", book->clients.size());
    inspector.number("connections", book->connections.size());
    inspector.number("refused", book->refused);
}

} // namespace devices::vmbus::socket
