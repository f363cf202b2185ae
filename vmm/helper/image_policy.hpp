/// Which images may be served, and how: those that a run's options name, and what commands may add later.
#pragma once

#include "devices/block/image_server.hpp"
#include "vmm/options/run_options.hpp"

#include <string>
#include <vector>

namespace vmm::helper {

/// An image that is asked for is served only in the format, and with the files beside it, that the user has named. So
/// a Porthole that a guest has taken over cannot have a raw image, to which it may write anything, opened as another.
class ImagePolicy {
  public:
    /// What these options name. Folders are looked up now. Throws std::system_error when one of them is none.
    explicit ImagePolicy(RunOptions const& options);

    [[nodiscard]] bool allows(devices::block::ImageRequest const& request) const;

  private:
    std::vector<DiskOptions> disks_;
    std::vector<std::string> folders_; ///< without symbolic links
    bool everything_;
};

} // namespace vmm::helper
