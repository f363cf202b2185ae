/// A raw image: a file, or a block device of the host.
#pragma once

#include "devices/base/unique_fd.hpp"
#include "devices/block/backend.hpp"
#include "devices/block/io_ring.hpp"

#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <utility>

namespace devices::block {

/// What lies in memory anyway is done at once, on the caller's thread: files of tmpfs altogether, otherwise reads
/// that the page cache can answer. The rest goes through an io_uring.
class FileBackend final : public Backend, RingClient {
  public:
    struct How {
        bool read_only = false;
        std::uint64_t block_size = 512;                   ///< the size is a multiple of it
        bool told_raw = false;                            ///< otherwise an image that does not look raw is refused
        std::uint64_t granularity = 1;                    ///< bytes: fallocate is asked for no smaller pieces
        std::function<void(std::string const&)> notice{}; ///< hears what fails, a few times; any thread
    };

    /// Throws OpenError: not there, no permission, in use, a size that does not fit.
    FileBackend(std::string path, How const& how, std::shared_ptr<IoRing> ring);

    /// Closing may make a device or a server write, which is waited for, but not for ever.
    ~FileBackend() override;

    [[nodiscard]] Properties const& properties() const override { return properties_; }
    [[nodiscard]] std::optional<Result> submit(Request& request) override;
    void quiesce(hv::StillBusy busy) override { ring_->quiesce(std::move(busy)); }
    void resume() override { ring_->resume(); }
    void inspect(hv::Inspector& inspector) const override;

  private:
    enum class Kind { File, MemoryFile, Device };

    /// A part of a Discard or WriteZeroes that one system call does.
    struct Part {
        std::uint64_t offset;
        std::uint64_t length;
        bool written; ///< as zeros, instead of by fallocate
    };

    void prepare(io_uring_sqe& entry, Request& request) override;
    void fill_in(io_uring_sqe& entry, Request& request) const;
    void ended(Request& request, int result) override;

    [[nodiscard]] std::optional<Result> begin(Request& request);
    [[nodiscard]] std::optional<Result> read(Request& request);
    [[nodiscard]] std::optional<Result> write(Request& request);
    [[nodiscard]] std::optional<Result> step(Request& request, std::int64_t result);
    [[nodiscard]] std::optional<Result> end_of_size_check(Request& request, int result);
    [[nodiscard]] std::optional<Result> end_of_part(Request& request, int result);
    [[nodiscard]] std::optional<Result> begin_clearing(Request& request) const;
    [[nodiscard]] bool leaves_ends(Request const& request) const;
    [[nodiscard]] Part next_part(Request const& request) const;
    [[nodiscard]] std::optional<Result> repeat(Request& request, int error);
    [[nodiscard]] Result failed(Operation operation, int error);
    void tell(Operation operation, int error);
    [[nodiscard]] bool shrunk() const;

    std::string const path_;
    std::function<void(std::string const&)> const notice_;
    UniqueFd fd_;
    Kind kind_ = Kind::File;
    bool may_wait_ = false; ///< for a server, even to tell the size: only the kernel's workers call the file system
    std::uint64_t granularity_ = 1; ///< bytes: fallocate takes multiples of it
    Properties properties_{};
    std::shared_ptr<IoRing> const ring_;
    std::atomic<bool> reads_without_waiting_{true}; ///< the file system knows RWF_NOWAIT
    std::atomic<std::uint64_t> at_once_{0};
    std::atomic<std::uint64_t> later_{0};
    std::atomic<std::uint64_t> errors_{0};
    std::atomic<int> last_error_{0}; ///< of errno
};

} // namespace devices::block
