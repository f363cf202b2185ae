#include "devices/block/open_backend.hpp"

#include "devices/block/file_backend.hpp"
#include "devices/block/nbd_backend.hpp"

namespace devices::block {

std::unique_ptr<Backend> BackendOpener::open(What const& what, std::stop_token stop)
{
    if (NbdBackend::is_uri(what.image)) {
        return std::make_unique<NbdBackend>(what.image, NbdBackend::How{.read_only = what.read_only,
                                                                        .block_size = what.block_size,
                                                                        .notice = notice_,
                                                                        .memory = memory_,
                                                                        .stop = std::move(stop)});
    }
    return std::make_unique<FileBackend>(
        what.image, FileBackend::How{.read_only = what.read_only, .block_size = what.block_size, .notice = notice_},
        ring());
}

std::shared_ptr<IoRing> BackendOpener::ring()
{
    auto const ring = ring_.lock();
    if (!*ring) *ring = std::make_shared<IoRing>(notice_);
    return *ring;
}

} // namespace devices::block
