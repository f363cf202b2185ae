/// Storage for every port of every partition. A handle to a deleted port is harmless for ever: the memory stays a
/// Port, and its generation has moved on.
#pragma once

#include "hv/base/sync.hpp"
#include "hv/port/port.hpp"

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace hv {

/// Which port, and which life of it; fits into one atomic word. A slot whose generations are used up is not used
/// again.
struct PortHandle {
    static constexpr unsigned index_bits = 24;

    std::uint64_t word = 0; ///< 0: no port

    constexpr PortHandle() = default;
    constexpr explicit PortHandle(std::uint64_t w) : word{w} {}
    constexpr PortHandle(std::uint32_t index, std::uint64_t generation) : word{generation << index_bits | index} {}

    [[nodiscard]] constexpr std::uint32_t index() const { return word & ((1U << index_bits) - 1); }
    [[nodiscard]] constexpr std::uint64_t generation() const { return word >> index_bits; }
    [[nodiscard]] constexpr explicit operator bool() const { return word != 0; }
};

class PortSlab {
  public:
    PortSlab() = default;
    PortSlab(PortSlab const&) = delete;
    PortSlab& operator=(PortSlab const&) = delete;
    ~PortSlab();

    /// A port that is not alive, with a new generation; no handle when there are 2^24 or the host is out of memory.
    [[nodiscard]] PortHandle allocate();
    /// Gives a port back. It must not be alive.
    void release(PortHandle handle);

    /// The port that the handle once meant. The caller locks it and compares generations.
    [[nodiscard]] Port& at(PortHandle handle) const
    {
        auto const index = handle.index();
        return chunks_[index / chunk_ports].load(std::memory_order_acquire)[index % chunk_ports];
    }

  private:
    static constexpr std::uint32_t chunk_ports = 4096;
    /// Less than a huge page, with which a host that gives them to any memory would fill it for the first port.
    static_assert(chunk_ports * sizeof(Port) <= std::size_t{1} << 20);
    static constexpr std::uint32_t max_ports = 1U << PortHandle::index_bits;
    static constexpr std::uint64_t last_generation = (std::uint64_t{1} << (64 - PortHandle::index_bits)) - 1;

    [[nodiscard]] bool grow();

    Mutex<LockRank::Leaf> lock_;
    std::vector<std::uint32_t> free_; // guarded by lock_
    std::uint32_t made_ = 0;          // guarded by lock_
    std::array<std::atomic<Port*>, max_ports / chunk_ports> chunks_{};
};

} // namespace hv
