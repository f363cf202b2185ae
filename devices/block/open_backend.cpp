#include "devices/block/open_backend.hpp"

#include "devices/block/file_backend.hpp"
#include "devices/block/nbd_backend.hpp"

namespace devices::block {

std::unique_ptr<Backend> BackendOpener::open(What const& what, std::stop_token stop)
{
    NbdBackend::How how{.read_only = what.read_only,
                        .block_size = what.block_size,
                        .notice = notice_,
                        .memory = memory_,
                        .stop = std::move(stop)};
    if (NbdBackend::is_uri(what.image)) {
        return std::make_unique<NbdBackend>(what.image, std::move(how));
    }
    if (what.format != ImageFormat::Raw) {
        auto server = serve_image({.image = what.image,
                                   .format = what.format,
                                   .told = what.told,
                                   .read_only = what.read_only,
                                   .backing = what.backing});
        return std::make_unique<NbdBackend>(nbd_source(what.image, std::move(server)), std::move(how));
    }
    return std::make_unique<FileBackend>(
        what.image,
        FileBackend::How{
            .read_only = what.read_only, .block_size = what.block_size, .told_raw = what.told, .notice = notice_},
        ring());
}

std::shared_ptr<IoRing> BackendOpener::ring()
{
    auto const ring = ring_.lock();
    if (!*ring) *ring = std::make_shared<IoRing>(notice_);
    return *ring;
}

} // namespace devices::block
