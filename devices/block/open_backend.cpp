#include "devices/block/open_backend.hpp"

#include "devices/block/file_backend.hpp"
#include "devices/block/nbd_backend.hpp"

namespace devices::block {

std::unique_ptr<Backend> BackendOpener::open(std::string const& image, bool read_only, std::uint64_t block_size)
{
    if (NbdBackend::is_uri(image)) {
        return std::make_unique<NbdBackend>(
            image, NbdBackend::How{.read_only = read_only, .block_size = block_size, .notice = notice_});
    }
    return std::make_unique<FileBackend>(
        image, FileBackend::How{.read_only = read_only, .block_size = block_size, .notice = notice_}, ring());
}

std::shared_ptr<IoRing> BackendOpener::ring()
{
    auto const lock = std::lock_guard{mutex_};
    if (!ring_) ring_ = std::make_shared<IoRing>(notice_);
    return ring_;
}

} // namespace devices::block
