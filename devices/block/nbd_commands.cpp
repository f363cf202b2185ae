// How requests become commands of an NBD connection, and what their ends mean.
#include "devices/block/nbd_connection.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <new>
#include <utility>

namespace devices::block {

namespace {

/// What a connection copies at a time, beyond its guest's budget, when it has nothing else under way.
constexpr std::uint64_t reserve = 64 << 10;

constexpr std::uint64_t zeros_at_once = 256 << 10; ///< for servers that cannot write zeroes themselves
std::byte zeros[zeros_at_once]{}; // never written; not const, so that it takes no room in the program

Result result_of(int error)
{
    switch (error) {
    case 0: return Result::Done;
    case ENOSPC:
    case EDQUOT:
    case EFBIG: return Result::NoSpace;
    case ENOTCONN:
    case ESHUTDOWN: return Result::Unreachable;
    default: return Result::Failed;
    }
}

bool clears(Request const& request)
{
    return request.operation == Operation::Discard || request.operation == Operation::WriteZeroes;
}

bool copies(NbdPiece::Kind kind)
{
    return kind == NbdPiece::Kind::Read || kind == NbdPiece::Kind::Write || kind == NbdPiece::Kind::WriteBlock;
}

/// Calls `step` with each piece of the guest's memory for bytes [at, at + size) of a request, and how far it is into
/// them.
template <typename Step>
void for_memory(Request const& request, std::uint64_t at, std::uint64_t size, Step const& step)
{
    std::uint64_t done = 0;
    for (auto const& buffer : request.buffers) {
        if (done == size) return;
        if (at >= buffer.iov_len) {
            at -= buffer.iov_len;
            continue;
        }
        auto const n = std::min<std::uint64_t>(buffer.iov_len - at, size - done);
        step(static_cast<std::byte*>(buffer.iov_base) + at, n, done);
        done += n;
        at = 0;
    }
}

/// The guest's memory for a piece, when it is in one piece and nothing lies around it.
std::byte* direct_memory(Request const& request, NbdPiece const& piece)
{
    if (piece.kind == NbdPiece::Kind::WriteBlock || piece.wanted != piece.length) return nullptr;
    std::byte* memory = nullptr;
    for_memory(request, piece.at, piece.wanted, [&](std::byte* start, std::uint64_t size, std::uint64_t done) {
        if (done == 0 && size == piece.wanted) memory = start;
    });
    return memory;
}

/// The guest's bytes, or zeros, go to where they belong in the command's.
void put_wanted(Request const& request, NbdPiece const& piece, std::byte* copy)
{
    auto* const to = copy + piece.skip(request);
    if (request.operation != Operation::Write) {
        std::memset(to, 0, piece.wanted);
        return;
    }
    for_memory(request, piece.at, piece.wanted, [&](std::byte const* start, std::uint64_t size, std::uint64_t done) {
        std::memcpy(to + done, start, size);
    });
}

} // namespace

void NbdConnection::begin(Request& request)
{
    try {
        waiting_.push_back(&request);
        jobs_.try_emplace(&request);
    } catch (std::bad_alloc const&) {
        if (!waiting_.empty() && waiting_.back() == &request) waiting_.pop_back();
        return request.completed(Result::Failed);
    }
    pump();
}

void NbdConnection::pump()
{
    for (auto at = waiting_.begin(); at != waiting_.end();) {
        auto& request = **at;
        auto& job = jobs_.find(&request)->second;
        if (request.operation == Operation::Flush) {
            at = waiting_.erase(at);
            begin_flush(request, job);
            continue;
        }
        if (request.operation == Operation::Discard && nbd_library().can_trim(handle_) <= 0)
            job.begun = request.length;
        auto begun = Begun::Yes;
        while (job.begun < request.length && job.result == Result::Done && begun == Begun::Yes)
            begun = begin_piece(request, job);
        if (begun == Begun::WaitsForMemory) return;
        if (begun == Begun::WaitsForOthers) {
            ++at;
            continue;
        }
        at = waiting_.erase(at);
        settle(request);
    }
}

void NbdConnection::begin_flush(Request& request, Job& job)
{
    job.begun = request.length;                  // one that a write has become still has its length
    if (nbd_library().can_flush(handle_) <= 0) { // the server says it has no cache
        flushed_ = written_;
        return answer(jobs_.find(&request));
    }
    auto& command = commands_.emplace_back(Command{.connection = *this, .request = &request});
    command.self = std::prev(commands_.end());
    command.written_before = written_;
    ++job.under_way;
    send(command);
}

NbdPiece NbdConnection::piece_of(Request const& request, Job const& job, std::uint64_t most) const
{
    if (request.operation == Operation::WriteZeroes) most = std::min(most, zeros_at_once);
    return nbd_piece(request, job.begun, sizes_, std::min(most, sizes_.maximum));
}

NbdConnection::Begun NbdConnection::begin_piece(Request& request, Job& job)
{
    auto const piece = piece_of(request, job, sizes_.maximum);
    if (piece.kind == NbdPiece::Kind::Nothing) {
        job.begun += piece.wanted;
        return Begun::Yes;
    }
    if (must_wait(request, job, piece)) return Begun::WaitsForOthers;
    auto& command = commands_.emplace_back(Command{.connection = *this, .request = &request, .piece = piece});
    command.self = std::prev(commands_.end());
    if (!provide_memory(command, job)) {
        commands_.pop_back();
        return Begun::WaitsForMemory;
    }
    job.begun += command.piece.wanted;
    ++job.under_way;
    send(command);
    return Begun::Yes;
}

/// One after the other: the pieces of a request that may have to be made smaller, and changes to parts of one block.
bool NbdConnection::must_wait(Request const& request, Job const& job, NbdPiece const& piece) const
{
    if (clears(request) && job.under_way != 0) return true;
    if (piece.kind != NbdPiece::Kind::WriteBlock) return false;
    return std::ranges::any_of(commands_, [&](auto const& other) {
        return other.piece.kind == NbdPiece::Kind::WriteBlock && other.piece.offset == piece.offset;
    });
}

/// Where a command's data are. False when they have to wait for memory; then others are under way, whose end gives
/// some back.
bool NbdConnection::provide_memory(Command& command, Job const& job)
{
    auto& request = *command.request;
    auto& piece = command.piece;
    if (!copies(piece.kind)) return true;
    if (auto* const memory = direct_memory(request, piece)) {
        command.data = memory;
        return true;
    }
    bool const alone = commands_.size() == 1;
    if (!memory_.take_fair_share(piece.length)) {
        if (!alone) return false;
        piece = piece_of(request, job, std::max(reserve, sizes_.minimum));
        memory_.take_always(piece.length);
    }
    command.charged = piece.length;
    command.copy.reset(new std::byte[piece.length]); // what it throws costs the connection, like all else here
    command.data = command.copy.get();
    command.reads_first = piece.kind == NbdPiece::Kind::WriteBlock;
    if (piece.kind == NbdPiece::Kind::Write) put_wanted(request, piece, command.data);
    return true;
}

void NbdConnection::send(Command& command)
{
    if (issue(command) >= 0) return;
    command.error = nbd_library().aio_is_ready(handle_) > 0 ? EIO : ENOTCONN;
    ended(&command, &command.error);
}

std::int64_t NbdConnection::issue(Command& command)
{
    nbd_completion_callback const callback{.callback = ended, .user_data = &command, .free = nullptr};
    auto const& piece = command.piece;
    auto const& library = nbd_library();
    if (command.request->operation == Operation::Flush) return library.aio_flush(handle_, callback, 0);
    switch (piece.kind) {
    case NbdPiece::Kind::WriteBlock:
        if (!command.reads_first)
            return library.aio_pwrite(handle_, command.data, piece.length, piece.offset, callback, 0);
        [[fallthrough]];
    case NbdPiece::Kind::Read:
        return library.aio_pread(handle_, command.data, piece.length, piece.offset, callback, 0);
    case NbdPiece::Kind::Write:
        return library.aio_pwrite(handle_, command.data, piece.length, piece.offset, callback, 0);
    case NbdPiece::Kind::WriteZeros:
        return library.aio_pwrite(handle_, zeros, piece.length, piece.offset, callback, 0);
    case NbdPiece::Kind::Zero: return library.aio_zero(handle_, piece.length, piece.offset, callback, 0);
    case NbdPiece::Kind::Trim: return library.aio_trim(handle_, piece.length, piece.offset, callback, 0);
    case NbdPiece::Kind::Nothing: break;
    }
    return -1;
}

/// libnbd's completion callback: 1 retires the command. libnbd's lock is held, so no further call to it from here,
/// and nothing may be thrown: the command waits in a list until `drive` takes it.
int NbdConnection::ended(void* user_data, int* error)
{
    auto& command = *static_cast<Command*>(user_data);
    auto& connection = command.connection;
    command.error = *error;
    command.next_ended = nullptr;
    *connection.ended_end_ = &command;
    connection.ended_end_ = &command.next_ended;
    return 1;
}

void NbdConnection::finish_ended()
{
    while (ended_) {
        auto& command = *ended_;
        ended_ = command.next_ended;
        if (!ended_) ended_end_ = &ended_;
        finish(command);
    }
}

void NbdConnection::finish(Command& command)
{
    if (goes_on(command)) return;
    auto& request = *command.request;
    auto& job = jobs_.find(&request)->second;
    auto result = result_of(command.error);
    if (result == Result::Failed && command.piece.kind == NbdPiece::Kind::Trim)
        result = Result::Done; // it was advice
    if (result == Result::Done) {
        if (request.operation == Operation::Flush) flushed_ = std::max(flushed_, command.written_before);
        if (command.piece.kind == NbdPiece::Kind::Read && command.copy) {
            auto const* const from = command.data + command.piece.skip(request);
            for_memory(
                request, command.piece.at, command.piece.wanted,
                [&](std::byte* to, std::uint64_t size, std::uint64_t done) { std::memcpy(to, from + done, size); });
        }
    } else if (job.result == Result::Done) {
        job.result = result;
    }
    release(command);
    --job.under_way;
    settle(request);
}

bool NbdConnection::goes_on(Command& command)
{
    auto const& piece = command.piece;
    if (command.error == 0 && command.reads_first) {
        command.reads_first = false;
        put_wanted(*command.request, piece, command.data);
        send(command);
        return true;
    }
    return command.error != 0 && can_ask_for_less(command) && send_rest_again(command);
}

/// A command without data may be longer than the server's maximum, but the server may refuse that; and one that has
/// a command to write zeroes may not be able to carry it out.
bool NbdConnection::can_ask_for_less(Command const& command)
{
    auto const& piece = command.piece;
    bool const zero = piece.kind == NbdPiece::Kind::Zero;
    if (!zero && piece.kind != NbdPiece::Kind::Trim) return false;
    if ((command.error == EINVAL || command.error == EOVERFLOW) && piece.length > sizes_.maximum) {
        sizes_.clear_maximum = std::min(sizes_.clear_maximum, sizes_.maximum);
        return true;
    }
    if (!zero || (command.error != EINVAL && command.error != EOPNOTSUPP)) return false;
    sizes_.writes_zeroes = false;
    return true;
}

bool NbdConnection::send_rest_again(Command& command)
{
    auto& request = *command.request;
    auto& job = jobs_.find(&request)->second;
    bool const waits = job.begun < request.length;
    command.piece = piece_of(request, Job{.begun = command.piece.at}, sizes_.maximum);
    job.begun = command.piece.at + command.piece.wanted;
    if (!waits && job.begun < request.length) waiting_.push_front(&request);
    send(command);
    return true;
}

/// Answers a request that is over.
void NbdConnection::settle(Request& request)
{
    auto const found = jobs_.find(&request);
    auto const& job = found->second;
    if (job.under_way != 0) return;
    if (job.result == Result::Done && job.begun < request.length) return; // it waits
    // One that failed may wait in line.
    if (job.result != Result::Done) waiting_.remove(&request);
    answer(found);
}

void NbdConnection::answer(Jobs::iterator job)
{
    auto* const request = job->first;
    auto const result = job->second.result;
    jobs_.erase(job);
    bool const changes = request->operation != Operation::Read && request->operation != Operation::Flush;
    if (result == Result::Done && changes) ++written_;
    request->completed(result);
}

void NbdConnection::release(Command& command)
{
    auto const charged = command.charged;
    commands_.erase(command.self);
    if (charged != 0) memory_.give_back(charged);
}

} // namespace devices::block
