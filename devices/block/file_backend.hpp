/// A raw image: a file, or a block device of the host.
#pragma once

#include "devices/base/unique_fd.hpp"
#include "devices/block/backend.hpp"
#include "devices/block/io_ring.hpp"

#include <atomic>
#include <memory>
#include <string>

namespace devices::block {

/// What lies in memory anyway is done at once, on the caller's thread: files of tmpfs altogether, otherwise reads
/// that the page cache can answer. The rest goes through an io_uring.
class FileBackend final : public Backend, IoRing::Waiter {
  public:
    struct How {
        bool read_only = false;
        std::uint64_t block_size = 512; ///< the size is a multiple of it
    };

    /// Throws OpenError: not there, no permission, in use, a size that does not fit.
    FileBackend(std::string path, How const& how, std::shared_ptr<IoRing> ring);

    [[nodiscard]] Properties const& properties() const override { return properties_; }
    [[nodiscard]] std::optional<Result> submit(Request& request) override;
    void inspect(hv::Inspector& inspector) const override;

  private:
    enum class Kind { File, MemoryFile, Device };

    void ended(Request& request, int result) override;

    [[nodiscard]] std::optional<Result> read(Request& request);
    [[nodiscard]] std::optional<Result> write(Request& request);
    [[nodiscard]] std::optional<Result> step(Request& request, std::int64_t result);
    [[nodiscard]] Result zero_by_writing(Request& request);
    [[nodiscard]] bool shrunk() const;
    void begin(Request& request);

    std::string const path_;
    UniqueFd fd_;
    Kind kind_ = Kind::File;
    Properties properties_{};
    std::shared_ptr<IoRing> const ring_;
    std::atomic<bool> reads_without_waiting_{true}; ///< the file system knows RWF_NOWAIT
    std::atomic<std::uint64_t> at_once_{0};
    std::atomic<std::uint64_t> later_{0};
};

} // namespace devices::block
