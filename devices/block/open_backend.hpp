/// From what a user names to what holds the blocks.
#pragma once

#include "devices/block/backend.hpp"
#include "devices/block/io_ring.hpp"

#include <functional>
#include <memory>
#include <mutex>
#include <string>

namespace devices::block {

/// Opens the images of one guest. All files share an io_uring, and its thread, which come with the first of them.
class BackendOpener {
  public:
    using Notice = std::function<void(std::string const&)>;

    /// `notice` hears, on any thread, what becomes of an image later on.
    explicit BackendOpener(Notice notice) : notice_{std::move(notice)} {}

    /// A path, or the URI of an NBD server. Throws OpenError. The opener outlives what it has opened.
    [[nodiscard]] std::unique_ptr<Backend> open(std::string const& image, bool read_only, std::uint64_t block_size);

  private:
    [[nodiscard]] std::shared_ptr<IoRing> ring();

    Notice const notice_;
    std::mutex mutex_;
    std::shared_ptr<IoRing> ring_;
};

} // namespace devices::block
