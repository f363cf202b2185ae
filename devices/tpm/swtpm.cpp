#include "devices/tpm/swtpm.hpp"

#include "devices/base/big_endian.hpp"
#include "devices/base/guarded_thread.hpp"
#include "devices/base/os_error.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <poll.h>
#include <stdexcept>
#include <string_view>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <system_error>
#include <unistd.h>
#include <utility>

namespace devices::tpm {

namespace {

using Word = std::array<std::byte, number_bytes>;
using Milliseconds = std::chrono::milliseconds;
using Steady = std::chrono::steady_clock;

// Commands of the control channel.
constexpr std::uint32_t cmd_init = 2;
constexpr std::uint32_t cmd_stop = 14;
constexpr std::uint32_t cmd_set_datafd = 16;
constexpr std::uint32_t cmd_set_buffersize = 17;

constexpr std::size_t buffersize_answer = 16; ///< a result, and three sizes
constexpr std::uint32_t no_flags = 0;

Word word(std::uint32_t value)
{
    Word bytes{};
    put_big_endian(std::span{bytes}, value);
    return bytes;
}

std::uint32_t number(std::span<std::byte const> bytes)
{
    return static_cast<std::uint32_t>(big_endian(bytes.first(number_bytes)));
}

[[noreturn]] void fail(char const* what)
{
    throw std::system_error{errno, std::generic_category(), what};
}

/// The other end of a socket has gone.
class Gone final : public std::exception {};

/// It answers, but not as it should.
class Refused final : public std::runtime_error {
    using std::runtime_error::runtime_error;
};

std::string hexadecimal(std::uint32_t value)
{
    std::array<char, 12> text{};
    std::snprintf(text.data(), text.size(), "0x%X", value);
    return text.data();
}

/// The bytes, with a descriptor beside them. What the socket takes at once: a command of the control channel.
bool send_with_descriptor(int socket, std::span<std::byte const> bytes, int descriptor)
{
    iovec part{const_cast<std::byte*>(bytes.data()), bytes.size()};
    alignas(cmsghdr) std::array<std::byte, CMSG_SPACE(sizeof descriptor)> beside{};
    msghdr message{};
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    message.msg_control = beside.data();
    message.msg_controllen = beside.size();
    auto* const head = CMSG_FIRSTHDR(&message);
    head->cmsg_level = SOL_SOCKET;
    head->cmsg_type = SCM_RIGHTS;
    head->cmsg_len = CMSG_LEN(sizeof descriptor);
    std::memcpy(CMSG_DATA(head), &descriptor, sizeof descriptor);
    return ::sendmsg(socket, &message, MSG_NOSIGNAL) == static_cast<ssize_t>(bytes.size());
}

int remaining_ms(Steady::time_point deadline)
{
    auto const left = std::chrono::ceil<Milliseconds>(deadline - Steady::now()).count();
    return static_cast<int>(std::clamp<std::int64_t>(left, 0, 1'000'000));
}

} // namespace

/// The TPM's guest has ended.
class Swtpm::Interrupted final : public std::exception {};

Swtpm::Swtpm(std::unique_ptr<SwtpmProcess> process, Warn warn, Patience patience)
    : process_{std::move(process)},
      warn_{std::move(warn)},
      patience_{patience},
      event_{::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)},
      control_{process_->take_connection()}
{
    if (!event_) fail("eventfd");
    begin();
    thread_ = guarded_thread(
        ThreadRole::Tpm, [this] { run(); }, [this](char const* what) { lose(what); });
}

Swtpm::~Swtpm()
{
    ending_.store(true);
    wake();
    if (thread_.joinable()) thread_.join();
}

void Swtpm::begin()
{
    try {
        give_data_socket();
        start_anew(Steady::now() + patience_.to_begin);
        works_.store(true);
    } catch (std::system_error const&) {
        throw;
    } catch (std::runtime_error const& error) { // it knows better why
        data_.reset();
        control_.reset();
        throw std::runtime_error{std::string{"swtpm "} + error.what() + ": it " + process_->how_it_ended()};
    } catch (std::exception const&) {
        throw std::runtime_error{"swtpm " + process_->how_it_ended()};
    }
}

void Swtpm::give_data_socket()
{
    std::array<int, 2> ends{};
    if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()) != 0) fail("socketpair");
    data_ = UniqueFd{ends[0]};
    UniqueFd const theirs{ends[1]};
    if (!send_with_descriptor(control_.get(), word(cmd_set_datafd), theirs.get())) throw Gone{};
    Word result{};
    receive(control_.get(), result, Steady::now() + patience_.to_begin);
    if (number(result) != 0) throw Refused{"takes no socket for its commands"};
}

/// As when a machine is switched on. What swtpm keeps in files stays.
void Swtpm::start_anew(Deadline deadline)
{
    control(cmd_stop, {}, sizeof(Word), deadline);
    control(cmd_set_buffersize, word(most_bytes), buffersize_answer, deadline);
    control(cmd_init, word(no_flags), sizeof(Word), deadline);
    used_ = false;
}

void Swtpm::control(std::uint32_t command, std::span<std::byte const> body, std::size_t answer_bytes,
                    Deadline deadline)
{
    auto const code = word(command);
    std::vector<std::byte> message{code.begin(), code.end()};
    message.insert(message.end(), body.begin(), body.end());
    send(control_.get(), message, deadline);
    std::array<std::byte, buffersize_answer> answer{};
    std::span const whole{answer.data(), answer_bytes};
    receive(control_.get(), whole.first(sizeof(Word)), deadline);
    if (auto const result = number(answer); result != 0)
        throw Refused{"answers command " + std::to_string(command) + " with " + hexadecimal(result)};
    receive(control_.get(), whole.subspan(sizeof(Word)), deadline);
}

void Swtpm::reset()
{
    {
        auto const work = work_.lock();
        work->reset = true;
        work->job.reset();
    }
    resets_.fetch_add(1);
    wake();
}

void Swtpm::submit(std::vector<std::byte> command, std::shared_ptr<Waiter> waiter)
{
    work_.lock()->job.emplace(std::move(command), std::move(waiter));
    wake();
}

void Swtpm::inspect(hv::Inspector& inspector) const
{
    inspector.text("swtpm", works() ? "works" : "lost");
    inspector.number("commands", commands_.load());
    inspector.number("resets", resets_.load());
}

void Swtpm::run()
{
    while (!ending_.load()) {
        if (!do_work()) rest();
    }
}

/// Until there is work. Nothing comes from swtpm meanwhile, but its end.
void Swtpm::rest()
{
    std::array<pollfd, 2> polled{pollfd{event_.get(), POLLIN, 0}, {data_ ? data_.get() : -1, POLLIN, 0}};
    if (::poll(polled.data(), polled.size(), -1) < 0) return;
    if (polled[0].revents != 0) clear();
    if (polled[1].revents != 0) lose(process_->how_it_ended());
}

/// False when there is none.
bool Swtpm::do_work()
{
    Work work;
    {
        auto const wanted = work_.lock();
        work.reset = std::exchange(wanted->reset, false);
        work.job = std::exchange(wanted->job, std::nullopt);
    }
    if (!work.reset && !work.job) return false;
    std::vector<std::byte> response;
    try {
        if (work.reset && used_ && works_.load()) start_anew(Steady::now() + patience_.to_begin);
        if (work.job && works_.load()) response = carry_out(work.job->command);
    } catch (Interrupted const&) {
        return true;
    } catch (Gone const&) {
        lose(process_->how_it_ended());
    } catch (std::exception const& error) {
        lose(error.what());
    }
    if (work.job) work.job->waiter->answered(response);
    return true;
}

std::vector<std::byte> Swtpm::carry_out(std::span<std::byte const> command)
{
    auto const deadline = Steady::now() + patience_.for_command;
    used_ = true;
    commands_.fetch_add(1);
    send(data_.get(), command, deadline);
    std::vector<std::byte> response(most_bytes);
    std::span const bytes{response};
    receive(data_.get(), bytes.first(header_bytes), deadline);
    auto const size = number(bytes.subspan(size_offset));
    if (size < header_bytes || size > most_bytes)
        throw Refused{"gives a response of " + std::to_string(size) + " bytes"};
    receive(data_.get(), bytes.subspan(header_bytes, size - header_bytes), deadline);
    response.resize(size);
    return response;
}

/// Once: from then on every command fails.
void Swtpm::lose(std::string const& why)
{
    if (!works_.exchange(false)) return;
    data_.reset();
    control_.reset();
    warn_("the TPM is lost: swtpm " + why + ": the guest goes on without, until it is launched anew");
}

void Swtpm::wake() const
{
    std::uint64_t const one = 1;
    [[maybe_unused]] auto const written = ::write(event_.get(), &one, sizeof one);
}

void Swtpm::clear() const
{
    std::uint64_t count = 0;
    [[maybe_unused]] auto const taken = ::read(event_.get(), &count, sizeof count);
}

/// What is to be done next waits until this is: `do_work` looks for it.
void Swtpm::wait_for(int fd, short events, Deadline deadline)
{
    for (;;) {
        std::array<pollfd, 2> polled{pollfd{event_.get(), POLLIN, 0}, {fd, events, 0}};
        auto const ready = ::poll(polled.data(), polled.size(), remaining_ms(deadline));
        if (ready < 0 && errno != EINTR) fail("poll");
        if (ready == 0) throw Refused{"does not answer"};
        if (polled[0].revents != 0) clear();
        if (ending_.load()) throw Interrupted{};
        if (polled[1].revents != 0) return;
    }
}

void Swtpm::send(int fd, std::span<std::byte const> bytes, Deadline deadline)
{
    while (!bytes.empty()) {
        auto const sent = ::send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
        if (sent > 0)
            bytes = bytes.subspan(static_cast<std::size_t>(sent));
        else if (errno == EAGAIN)
            wait_for(fd, POLLOUT, deadline);
        else if (errno != EINTR)
            throw Gone{};
    }
}

void Swtpm::receive(int fd, std::span<std::byte> bytes, Deadline deadline)
{
    while (!bytes.empty()) {
        auto const received = ::recv(fd, bytes.data(), bytes.size(), MSG_DONTWAIT);
        if (received > 0)
            bytes = bytes.subspan(static_cast<std::size_t>(received));
        else if (received < 0 && errno == EAGAIN)
            wait_for(fd, POLLIN, deadline);
        else if (received == 0 || errno != EINTR)
            throw Gone{};
    }
}

} // namespace devices::tpm
