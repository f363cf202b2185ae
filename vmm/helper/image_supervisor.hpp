/// The process that has an image served: it looks at the image, starts a confined qemu-nbd, and watches that.
#pragma once

#include "devices/block/image_server.hpp"
#include "vmm/helper/image_inspection.hpp"
#include "vmm/host/unique_fd.hpp"

namespace vmm::helper {

/// Its whole life, in a fresh process of one thread. What becomes of the image is told on `socket`
/// (server_news.hpp). When that has no other end any more, Porthole has let go of the image, or has ended itself:
/// then qemu-nbd is given time to write what it still has, and is ended.
void supervise_image(UniqueFd socket, devices::block::ImageRequest const& request, ImageTools const& tools);

} // namespace vmm::helper
