#include "devices/block/file_backend.hpp"

#include "devices/base/background_call.hpp"
#include "devices/block/open_file.hpp"
#include "devices/block/progress.hpp"
#include "hv/base/inspect.hpp"

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <fcntl.h>
#include <sys/stat.h>
#include <system_error>
#include <unistd.h>
#include <utility>

namespace devices::block {

namespace {

constexpr int punch_hole = FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE;
constexpr int zero_range = FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE;

constexpr std::size_t zeros_at_once = 64 << 10;
constexpr std::byte zeros[zeros_at_once]{};

constexpr std::uint8_t most_repeats = 100;
constexpr std::uint64_t most_lines = 10; ///< in the log, about one image

Result result_of(int error)
{
    return error == ENOSPC || error == EDQUOT || error == EFBIG ? Result::NoSpace : Result::Failed;
}

/// The operation has not been tried, or not to its end. ECANCELED: the kernel made the submitting thread no worker
/// for it; it is repeated from the ring's own thread. The four behind it are what file systems return when their
/// thread is woken for something else: system calls hide them, but an io_uring does so for reading and writing alone
/// (Linux io_uring/rw.c and include/linux/errno.h).
bool must_be_repeated(std::int64_t result)
{
    constexpr int restart_sys = 512;
    constexpr int restart_no_intr = 513;
    constexpr int restart_no_hand = 514;
    constexpr int restart_block = 516;
    switch (-result) {
    case EINTR:
    case EAGAIN:
    case ECANCELED:
    case restart_sys:
    case restart_no_intr:
    case restart_no_hand:
    case restart_block: return true;
    default: return false;
    }
}

char const* name_of(Operation operation)
{
    switch (operation) {
    case Operation::Read: return "reading";
    case Operation::Write: return "writing";
    case Operation::Flush: return "flushing";
    case Operation::Discard: return "discarding";
    case Operation::WriteZeroes: return "zeroing";
    }
    return "an operation";
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

bool clears(Request const& request)
{
    return request.operation == Operation::Discard || request.operation == Operation::WriteZeroes;
}

// For the one buffer that a command of a page has, the kernel need not copy and check a list.

ssize_t read_some(int fd, Request const& request)
{
    auto const& first = *first_left(request);
    if (auto const count = buffers_left(request); count != 1) return preadv(fd, &first, count, position(request));
    return pread(fd, first.iov_base, first.iov_len, position(request));
}

ssize_t write_some(int fd, Request const& request)
{
    auto const& first = *first_left(request);
    if (auto const count = buffers_left(request); count != 1) return pwritev(fd, &first, count, position(request));
    return pwrite(fd, first.iov_base, first.iov_len, position(request));
}

} // namespace

FileBackend::FileBackend(std::string path, How const& how, std::shared_ptr<IoRing> ring)
    : path_{std::move(path)}, notice_{how.notice}, ring_{std::move(ring)}
{
    auto opened = open_image(path_, {how.read_only, how.told_raw, how.block_size});
    fd_ = std::move(opened.fd);
    kind_ = opened.in_memory ? Kind::MemoryFile : opened.device ? Kind::Device : Kind::File;
    may_wait_ = opened.remote;
    granularity_ = std::max<std::uint64_t>(how.granularity, opened.device ? opened.logical_block : 1);
    properties_ = {.size = opened.size,
                   .read_only = how.read_only,
                   .discard = !how.read_only,
                   .discard_zeroes = kind_ != Kind::Device,
                   .physical_block = std::max<std::uint32_t>(4096, opened.physical_block)};
}

FileBackend::~FileBackend()
{
    constexpr Patience patience{.limit = std::chrono::seconds{2}, .after_stop = {}};
    if (kind_ != Kind::Device && !may_wait_) return;
    auto const close = [fd = std::make_shared<UniqueFd>(std::move(fd_))] {
        *fd = UniqueFd{};
        return true;
    };
    try {
        (void)call_in_background({}, patience, close);
    } catch (std::system_error const&) { // no thread is left: it is closed here
    }
}

std::optional<Result> FileBackend::submit(Request& request)
{
    request.progress.begin();
    std::optional<Result> result;
    if (request.operation != Operation::Read && may_wait_) {
        request.progress.checks_size = true;
        request.progress.bounce.resize(sizeof(struct statx));
    } else if (request.operation != Operation::Read && shrunk()) {
        result = Result::Shrunk; // writing would make the file grow again, with zeros where data was
    } else {
        result = begin(request);
    }
    if (result) {
        at_once_.fetch_add(1, std::memory_order_relaxed);
        return result;
    }
    later_.fetch_add(1, std::memory_order_relaxed);
    ring_->begin(*this, request);
    return std::nullopt;
}

/// What is done without the ring. Nothing when that is not all.
std::optional<Result> FileBackend::begin(Request& request)
{
    switch (request.operation) {
    case Operation::Read: return read(request);
    case Operation::Write: return write(request);
    case Operation::Flush:
        if (kind_ != Kind::MemoryFile) break;
        return fdatasync(fd_.get()) == 0 ? Result::Done : failed(Operation::Flush, errno);
    case Operation::Discard:
    case Operation::WriteZeroes: return begin_clearing(request);
    }
    return std::nullopt;
}

std::optional<Result> FileBackend::read(Request& request)
{
    bool const never_waits = kind_ == Kind::MemoryFile;
    while (never_waits || reads_without_waiting_.load(std::memory_order_relaxed)) {
        auto const got = never_waits ? read_some(fd_.get(), request)
                                     : preadv2(fd_.get(), first_left(request), buffers_left(request),
                                               position(request), RWF_NOWAIT);
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
    if (kind_ != Kind::MemoryFile) return std::nullopt;
    for (;;) {
        auto const put = write_some(fd_.get(), request);
        if (auto const result = step(request, put < 0 ? -errno : put)) return result;
    }
}

/// What a read or write that ended so far means; nothing when there is more to do.
std::optional<Result> FileBackend::step(Request& request, std::int64_t result)
{
    if (must_be_repeated(result)) return repeat(request, static_cast<int>(-result));
    if (result < 0) return failed(request.operation, static_cast<int>(-result));
    if (result == 0 && request.length != 0) return Result::Shrunk;
    request.progress.repeats = 0;
    advance(request, static_cast<std::size_t>(result));
    if (complete(request)) return Result::Done;
    return std::nullopt;
}

/// Whether the ends of a range are left as they are that fallocate would refuse. Otherwise zeros are written there.
bool FileBackend::leaves_ends(Request const& request) const
{
    return request.operation == Operation::Discard && !properties_.discard_zeroes;
}

std::optional<Result> FileBackend::begin_clearing(Request& request) const
{
    if (leaves_ends(request)) {
        auto const into = request.offset % granularity_;
        request.progress.bytes = into == 0 ? 0 : std::min(request.length, granularity_ - into);
        if (request.length - request.progress.bytes < granularity_) return Result::Done;
    }
    return complete(request) ? std::optional{Result::Done} : std::nullopt;
}

FileBackend::Part FileBackend::next_part(Request const& request) const
{
    auto const offset = request.offset + request.progress.bytes;
    auto const left = request.length - request.progress.bytes;
    auto const into = offset % granularity_;
    if (request.progress.writes_zeros) return {offset, std::min<std::uint64_t>(left, zeros_at_once), true};
    if (into != 0) return {offset, std::min({left, granularity_ - into, std::uint64_t{zeros_at_once}}), true};
    if (left < granularity_) return {offset, std::min<std::uint64_t>(left, zeros_at_once), true};
    return {offset, left - left % granularity_, false};
}

void FileBackend::prepare(io_uring_sqe& entry, Request& request)
{
    fill_in(entry, request);
    // An io_uring tries a file that can be polled, as those of FUSE can, on the thread that submits.
    if (may_wait_) io_uring_sqe_set_flags(&entry, IOSQE_ASYNC);
}

void FileBackend::fill_in(io_uring_sqe& entry, Request& request) const
{
    if (request.progress.checks_size) {
        auto* const answer = reinterpret_cast<struct statx*>(request.progress.bounce.data());
        return io_uring_prep_statx(&entry, fd_.get(), "", AT_EMPTY_PATH, STATX_SIZE, answer);
    }
    auto const count = static_cast<unsigned>(buffers_left(request));
    auto const offset = static_cast<std::uint64_t>(position(request));
    switch (request.operation) {
    case Operation::Read: return io_uring_prep_readv(&entry, fd_.get(), first_left(request), count, offset);
    case Operation::Write: return io_uring_prep_writev(&entry, fd_.get(), first_left(request), count, offset);
    case Operation::Flush: return io_uring_prep_fsync(&entry, fd_.get(), IORING_FSYNC_DATASYNC);
    case Operation::Discard:
    case Operation::WriteZeroes: break;
    }
    auto const part = next_part(request);
    if (part.written)
        return io_uring_prep_write(&entry, fd_.get(), zeros, static_cast<unsigned>(part.length), part.offset);
    bool const hole = request.operation == Operation::Discard || kind_ != Kind::Device;
    io_uring_prep_fallocate(&entry, fd_.get(), hole ? punch_hole : zero_range, static_cast<off_t>(part.offset),
                            static_cast<off_t>(part.length));
}

void FileBackend::ended(Request& request, int result)
{
    std::optional<Result> answer;
    if (request.progress.checks_size) {
        answer = end_of_size_check(request, result);
    } else if (request.operation == Operation::Flush) {
        answer = must_be_repeated(result) ? repeat(request, -result)
                 : result < 0             ? failed(Operation::Flush, -result)
                                          : Result::Done;
    } else {
        answer = clears(request) ? end_of_part(request, result) : step(request, result);
    }
    if (answer)
        request.completed(*answer);
    else
        ring_->begin(*this, request);
}

std::optional<Result> FileBackend::end_of_size_check(Request& request, int result)
{
    if (must_be_repeated(result)) return repeat(request, -result);
    if (result < 0) return failed(request.operation, -result);
    struct statx answer {};
    std::memcpy(&answer, request.progress.bounce.data(), sizeof answer);
    if (answer.stx_size < properties_.size) return Result::Shrunk;
    request.progress.checks_size = false;
    request.progress.repeats = 0;
    return begin(request);
}

/// fallocate is a means: where it fails, whatever the reason, zeros are written, and that says what is wrong with the
/// medium. But nobody was promised anything of a Discard that does not leave zeros.
std::optional<Result> FileBackend::end_of_part(Request& request, int result)
{
    auto const part = next_part(request);
    if (must_be_repeated(result) && request.progress.repeats < most_repeats) return repeat(request, -result);
    if (part.written && result <= 0) return result == 0 ? Result::Shrunk : failed(request.operation, -result);
    if (!part.written && result < 0) {
        if (result != -EOPNOTSUPP) tell(request.operation, -result);
        if (leaves_ends(request)) return Result::Done;
        request.progress.writes_zeros = true;
        request.progress.repeats = 0;
        return std::nullopt;
    }
    request.progress.repeats = 0;
    request.progress.bytes += part.written ? static_cast<std::uint64_t>(result) : part.length;
    auto const left = request.length - request.progress.bytes;
    bool const done = left == 0 || (leaves_ends(request) && left < granularity_);
    return done ? std::optional{Result::Done} : std::nullopt;
}

/// The same step once more: nothing; or its error, when that has come too often.
std::optional<Result> FileBackend::repeat(Request& request, int error)
{
    if (request.progress.repeats++ < most_repeats) return std::nullopt;
    return failed(request.operation, error);
}

Result FileBackend::failed(Operation operation, int error)
{
    tell(operation, error);
    return result_of(error);
}

void FileBackend::tell(Operation operation, int error)
{
    last_error_.store(error, std::memory_order_relaxed);
    auto const before = errors_.fetch_add(1, std::memory_order_relaxed);
    if (!notice_ || before >= most_lines) return;
    notice_("disk image '" + path_ + "': " + name_of(operation) + " failed: " + std::strerror(error) +
            (before + 1 == most_lines ? " (further failures are only counted)" : ""));
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
    inspector.number("errors", errors_.load(std::memory_order_relaxed));
    inspector.number("last_errno", static_cast<std::uint64_t>(last_error_.load(std::memory_order_relaxed)));
}

} // namespace devices::block
