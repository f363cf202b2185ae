/// What holds a disk's blocks on the host: a file, a block device, a server. It does its work without making whoever
/// asks wait, and gives the answer either at once or later.
#pragma once

#include "devices/base/component.hpp"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <stdexcept>
#include <string>
#include <sys/uio.h>
#include <vector>

namespace hv {
class Inspector;
}

namespace devices::block {

class RingClient;

enum class Operation : std::uint8_t {
    Read,
    Write,
    Flush,       ///< all that was written, and answered, before is on the medium when this is answered
    Discard,     ///< the content is not needed any more: it reads as before, or as zeros
    WriteZeroes, ///< and the medium may make a hole of it
};

enum class Result : std::uint8_t {
    Done,
    Failed,     ///< the medium says so, or less came than was asked for
    NoSpace,    ///< the host's file system is full; what was there before is untouched
    Shrunk,     ///< the image has become smaller than the disk
    Unreachable ///< nothing is known of the medium now: its server is gone
};

/// One thing to do. Whoever submits it keeps it, and the memory that it names, until it is answered.
class Request {
  public:
    Request() = default;
    Request(Request const&) = delete;
    Request& operator=(Request const&) = delete;
    virtual ~Request() = default;

    /// The answer, when `submit` did not give it. Called once, on a thread of the backend.
    virtual void completed(Result result) noexcept = 0;

    Operation operation = Operation::Read;
    std::uint64_t offset = 0; ///< bytes from the start of the disk
    std::uint64_t length = 0; ///< bytes; for Read and Write that of all buffers. 0 for Flush
    /// Memory to read to or to write from. Clobbered.
    std::vector<iovec> buffers{};

    /// How far the backend has come.
    struct Progress {
        std::uint64_t bytes = 0;     ///< done so far
        std::size_t next_buffer = 0; ///< the first one that is not done
        std::vector<std::byte> bounce{};
        RingClient* client = nullptr; ///< who takes the next step, of a request that goes through an io_uring
        Request* next = nullptr;      ///< in a list of the backend's
        std::uint8_t repeats = 0;     ///< of a step that was not tried, or not to its end
        bool checks_size = false;     ///< the step under way asks how large the image is
        bool writes_zeros = false;    ///< zeros are written, because the host has nothing better

        void begin()
        {
            bytes = 0;
            next_buffer = 0;
            repeats = 0;
            checks_size = false;
            writes_zeros = false;
        }
    };
    Progress progress{};

  protected:
    Request(Request&&) = default;
    Request& operator=(Request&&) = default;
};

struct Properties {
    std::uint64_t size = 0; ///< bytes, a multiple of 512
    bool read_only = false;
    bool discard = false;                 ///< worth asking for
    bool discard_zeroes = false;          ///< what was discarded reads as zeros
    std::uint32_t physical_block = 4096;  ///< bytes, a power of two from 512: what is written in one piece
    std::uint32_t preferred_transfer = 0; ///< bytes, a multiple of `physical_block`; 0: any is as good
};

/// A disk image that cannot be opened. The message names it and says what to do.
struct OpenError : std::runtime_error {
    using std::runtime_error::runtime_error;
};

/// Callable from any thread. Its end waits for nothing: there must be nothing under way any more. Quiesced, it keeps
/// `busy` while it may still put data into a request's memory; requests may be answered at any time.
class Backend : public Component {
  public:
    [[nodiscard]] virtual Properties const& properties() const = 0;

    /// Begins. The answer, if it is known at once; otherwise `completed` will bring it. The request lies within the
    /// disk, and changes nothing on a read-only one.
    [[nodiscard]] virtual std::optional<Result> submit(Request& request) = 0;

    /// What is under way is answered soon, whatever happens; later requests are answered with Unreachable. For a
    /// file there is nothing to do: the kernel answers.
    virtual void stop() {}

    virtual void inspect(hv::Inspector&) const {}
};

} // namespace devices::block
