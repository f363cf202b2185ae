/// What Porthole has images served by that are not raw.
#pragma once

#include "vmm/helper/child_process.hpp"
#include "vmm/options/run_options.hpp"

#include <span>

namespace vmm::helper {

/// While one exists, devices::block::serve_image asks the process behind it. One of a process.
class ImageServers {
  public:
    /// Forks that process (run_image_servers), while this one has one thread. `kept` are descriptors that names of
    /// images stand for. Throws std::system_error.
    ImageServers(std::span<int const> kept, RunOptions const& options);
    ImageServers(ImageServers const&) = delete;
    ImageServers& operator=(ImageServers const&) = delete;
    /// Ends it; who serves an image ends by itself, once that is closed.
    ~ImageServers();
};

/// The life of the process that starts a supervisor (image_supervisor.hpp) for each image that Porthole asks for and
/// `options` allow: until the socket has no other end. In a fresh process of one thread.
[[noreturn]] void run_image_servers(UniqueFd socket, std::span<int const> kept, RunOptions const& options);

} // namespace vmm::helper
