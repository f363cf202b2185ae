#include "devices/block/file_backend.hpp"

#include "devices/block/open_file.hpp"
#include "devices/block/progress.hpp"
#include "hv/base/inspect.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <unistd.h>
#include <utility>

namespace devices::block {

namespace {

constexpr int punch_hole = FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE;
constexpr int zero_range = FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE;

Result failure(int error)
{
    return error == ENOSPC || error == EDQUOT || error == EFBIG ? Result::NoSpace : Result::Failed;
}

/// The operation has not been tried, or not to its end. ECANCELED: the kernel made the submitting thread no worker
/// for it; it is repeated from the ring's own thread.
bool must_be_repeated(std::int64_t result)
{
    return result == -EINTR || result == -EAGAIN || result == -ECANCELED;
}

int buffers_left(Request const& request)
{
    return static_cast<int>(std::min(request.buffers.size() - request.progress.next_buffer, max_buffers_at_once));
}

iovec const* first_left(Request const& request)
{
    return request.buffers.data() + request.progress.next_buffer;
}

off_t position(Request const& request)
{
    return static_cast<off_t>(request.offset + request.progress.bytes);
}

} // namespace

FileBackend::FileBackend(std::string path, How const& how, std::shared_ptr<IoRing> ring)
    : path_{std::move(path)}, ring_{std::move(ring)}
{
    auto opened = open_image(path_, how.read_only, how.block_size);
    fd_ = std::move(opened.fd);
    kind_ = opened.in_memory ? Kind::MemoryFile : opened.device ? Kind::Device : Kind::File;
    properties_ = {.size = opened.size,
                   .read_only = how.read_only,
                   .discard = !how.read_only,
                   .discard_zeroes = kind_ != Kind::Device};
}

std::optional<Result> FileBackend::submit(Request& request)
{
    request.progress.bytes = 0;
    request.progress.next_buffer = 0;
    std::optional<Result> result;
    switch (request.operation) {
    case Operation::Read: result = read(request); break;
    case Operation::Write: result = write(request); break;
    case Operation::Flush:
        if (shrunk()) {
            result = Result::Shrunk;
        } else if (kind_ == Kind::MemoryFile) {
            result = fdatasync(fd_.get()) == 0 ? Result::Done : failure(errno);
        }
        break;
    case Operation::Discard:
    case Operation::WriteZeroes:
        if (shrunk()) result = Result::Shrunk;
        break;
    }
    if (result) {
        at_once_.fetch_add(1, std::memory_order_relaxed);
        return result;
    }
    later_.fetch_add(1, std::memory_order_relaxed);
    begin(request);
    return std::nullopt;
}

std::optional<Result> FileBackend::read(Request& request)
{
    bool const never_waits = kind_ == Kind::MemoryFile;
    while (never_waits || reads_without_waiting_.load(std::memory_order_relaxed)) {
        auto const got = preadv2(fd_.get(), first_left(request), buffers_left(request), position(request),
                                 never_waits ? 0 : RWF_NOWAIT);
        if (got < 0 && !never_waits) {
            if (errno == EOPNOTSUPP) reads_without_waiting_.store(false, std::memory_order_relaxed);
            if (errno == EOPNOTSUPP || errno == EAGAIN) return std::nullopt;
        }
        if (auto const result = step(request, got < 0 ? -errno : got)) return result;
    }
    return std::nullopt;
}

std::optional<Result> FileBackend::write(Request& request)
{
    if (shrunk()) return Result::Shrunk; // writing would make the file grow again, with zeros where data was
    if (kind_ != Kind::MemoryFile) return std::nullopt;
    for (;;) {
        auto const put = pwritev(fd_.get(), first_left(request), buffers_left(request), position(request));
        if (auto const result = step(request, put < 0 ? -errno : put)) return result;
    }
}

/// What a read or write that ended so far means; nothing when there is more to do.
std::optional<Result> FileBackend::step(Request& request, std::int64_t result)
{
    if (must_be_repeated(result)) return std::nullopt;
    if (result < 0) return failure(static_cast<int>(-result));
    if (result == 0 && request.length != 0) return Result::Shrunk;
    advance(request, static_cast<std::size_t>(result));
    if (complete(request)) return Result::Done;
    return std::nullopt;
}

void FileBackend::begin(Request& request)
{
    ring_->begin(*this, request, [&](io_uring_sqe* entry) {
        auto const count = static_cast<unsigned>(buffers_left(request));
        auto const offset = static_cast<std::uint64_t>(position(request));
        switch (request.operation) {
        case Operation::Read: io_uring_prep_readv(entry, fd_.get(), first_left(request), count, offset); break;
        case Operation::Write: io_uring_prep_writev(entry, fd_.get(), first_left(request), count, offset); break;
        case Operation::Flush: io_uring_prep_fsync(entry, fd_.get(), IORING_FSYNC_DATASYNC); break;
        case Operation::Discard:
        case Operation::WriteZeroes: {
            bool const hole = request.operation == Operation::Discard || kind_ != Kind::Device;
            io_uring_prep_fallocate(entry, fd_.get(), hole ? punch_hole : zero_range,
                                    static_cast<off_t>(request.offset), static_cast<off_t>(request.length));
            break;
        }
        }
    });
}

void FileBackend::ended(Request& request, int result)
{
    switch (request.operation) {
    case Operation::Read:
    case Operation::Write:
        if (auto const answer = step(request, result)) {
            request.completed(*answer);
        } else {
            begin(request);
        }
        return;
    case Operation::Flush:
        if (must_be_repeated(result)) return begin(request);
        return request.completed(result < 0 ? failure(-result) : Result::Done);
    case Operation::Discard:
    case Operation::WriteZeroes:
        if (must_be_repeated(result)) return begin(request);
        if (result != -EOPNOTSUPP) return request.completed(result < 0 ? failure(-result) : Result::Done);
        // A file system without holes. A promise to read zeros has to be kept all the same.
        bool const may_ignore = request.operation == Operation::Discard && !properties_.discard_zeroes;
        return request.completed(may_ignore ? Result::Done : zero_by_writing(request));
    }
}

/// Slow, and on the ring's thread: only where the host's file system has nothing better.
Result FileBackend::zero_by_writing(Request& request)
{
    static constexpr std::size_t piece = 64 << 10;
    static constexpr std::byte zeros[piece]{};
    for (std::uint64_t done = 0; done < request.length;) {
        auto const size = std::min<std::uint64_t>(piece, request.length - done);
        auto const put = pwrite(fd_.get(), zeros, size, static_cast<off_t>(request.offset + done));
        if (put < 0 && errno == EINTR) continue;
        if (put <= 0) return put == 0 ? Result::Failed : failure(errno);
        done += static_cast<std::uint64_t>(put);
    }
    return Result::Done;
}

/// A device does not shrink, and says so itself if it does. Nobody uses the descriptor's position; fstat(2) would do
/// as well, but the C library makes it the look-up of an empty path.
bool FileBackend::shrunk() const
{
    if (kind_ == Kind::Device) return false;
    auto const size = lseek(fd_.get(), 0, SEEK_END);
    return size < 0 || static_cast<std::uint64_t>(size) < properties_.size;
}

void FileBackend::inspect(hv::Inspector& inspector) const
{
    inspector.text("path", path_);
    inspector.number("at_once", at_once_.load(std::memory_order_relaxed));
    inspector.number("later", later_.load(std::memory_order_relaxed));
}

} // namespace devices::block
