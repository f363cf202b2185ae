/// From what a user names to what holds the blocks.
#pragma once

#include "devices/base/guarded.hpp"
#include "devices/block/backend.hpp"
#include "devices/block/image_format.hpp"
#include "devices/block/io_budget.hpp"
#include "devices/block/io_ring.hpp"

#include <functional>
#include <memory>
#include <stop_token>
#include <string>

namespace devices::block {

/// Opens the images of one guest. All files share an io_uring, and its thread, which come with the first of them.
class BackendOpener {
  public:
    using Notice = std::function<void(std::string const&)>;

    /// `notice` hears, on any thread, what becomes of an image later on. `memory` is the guest's.
    BackendOpener(Notice notice, std::shared_ptr<IoBudget> memory)
        : notice_{std::move(notice)}, memory_{std::move(memory)}
    {}

    struct What {
        std::string image; ///< a path, or the URI of an NBD server
        bool read_only = false;
        std::uint64_t block_size = 512;        ///< bytes, which the size has to be a multiple of
        ImageFormat format = ImageFormat::Raw; ///< of a path
        bool told = false;     ///< the user has told the format; otherwise the content has to agree with it
        std::string backing{}; ///< a folder for files that belong to the image; empty for the image's own alone
    };
    /// Callable from any thread. Waits for a server until `stop`; for a file system as long as that likes. Throws
    /// OpenError, std::system_error when the host has no thread left.
    [[nodiscard]] std::unique_ptr<Backend> open(What const& what, std::stop_token stop);

  private:
    [[nodiscard]] std::shared_ptr<IoRing> ring();

    Notice const notice_;
    std::shared_ptr<IoBudget> const memory_;
    Guarded<std::shared_ptr<IoRing>, LockRank::Controller> ring_;
};

} // namespace devices::block
