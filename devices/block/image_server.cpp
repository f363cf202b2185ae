#include "devices/block/image_server.hpp"

#include "devices/block/backend.hpp"

#include <atomic>

namespace devices::block {

namespace {

std::atomic<ImageStarter> image_starter{nullptr};

} // namespace

std::unique_ptr<ImageServer> serve_image(ImageRequest const& request)
{
    if (auto const starter = image_starter.load()) return starter(request);
    throw OpenError{"disk image '" + request.image + "' cannot be served: nothing here starts qemu-nbd"};
}

void set_image_starter(ImageStarter starter)
{
    image_starter.store(starter);
}

} // namespace devices::block
