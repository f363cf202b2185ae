#include "hv/port/port_slab.hpp"

#include <algorithm>
#include <memory>
#include <mutex>
#include <new>

namespace hv {

PortSlab::~PortSlab()
{
    for (std::uint32_t i = 0; i < made_; ++i)
        std::destroy_at(&at(PortHandle{i, 0}));
    for (auto& chunk : chunks_)
        ::operator delete (chunk.load(), std::align_val_t{alignof(Port)});
}

PortHandle PortSlab::allocate()
{
    std::uint32_t index = 0;
    {
        std::lock_guard const guard{lock_};
        if (free_.empty() && !grow()) return PortHandle{};
        index = free_.back();
        free_.pop_back();
    }
    auto& port = at(PortHandle{index, 0});
    std::lock_guard const guard{port.lock};
    return PortHandle{index, ++port.generation};
}

void PortSlab::release(PortHandle handle)
{
    std::lock_guard const guard{lock_};
    if (handle.generation() < last_generation) free_.push_back(handle.index());
}

bool PortSlab::grow()
{
    if (made_ == max_ports) return false;
    try {
        if (free_.capacity() <= made_) free_.reserve(std::max<std::size_t>(64, 2 * std::size_t{made_}));
        auto& chunk = chunks_[made_ / chunk_ports];
        if (!chunk.load(std::memory_order_relaxed)) {
            // Untouched pages of a chunk cost nothing: ports are constructed one by one, as they are needed.
            auto* const raw = ::operator new (chunk_ports * sizeof(Port), std::align_val_t{alignof(Port)});
            chunk.store(static_cast<Port*>(raw), std::memory_order_release);
        }
    } catch (std::bad_alloc const&) {
        return false;
    }
    std::construct_at(&at(PortHandle{made_, 0}));
    free_.push_back(made_++);
    return true;
}

} // namespace hv
