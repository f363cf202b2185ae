/// A partition's port or connection IDs: a radix tree over the 24 bits that an ID has. Looking one up is three loads
/// and no lock, however many there are; changing the table is for one thread at a time.
#pragma once

#include "hv/port/memory_pool.hpp"

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>

namespace hv {

class IdTable {
  public:
    /// Nodes are charged to the pool when they are made, and stay until the table goes.
    explicit IdTable(MemoryPool& pool) : pool_{pool} {}
    IdTable(IdTable const&) = delete;
    IdTable& operator=(IdTable const&) = delete;
    ~IdTable();

    static constexpr unsigned id_bits = 24;

    /// The value kept for `id`, or 0, as for one of more bits. Callable from any thread at any time.
    [[nodiscard]] std::uint64_t find(std::uint32_t id) const
    {
        if (id >> id_bits != 0) return 0;
        auto const* const middle = root_[id >> 16].load(std::memory_order_acquire);
        if (!middle) return 0;
        auto const* const leaf = middle->children[id >> 8 & 0xFF].load(std::memory_order_acquire);
        return leaf ? leaf->values[id & 0xFF].load(std::memory_order_acquire) : 0;
    }

    /// Makes room for `id`. False when the pool is exhausted, or for an ID of too many bits.
    [[nodiscard]] bool reserve(std::uint32_t id);
    /// Keeps a value for an ID that has room; 0 forgets it.
    void set(std::uint32_t id, std::uint64_t value);

    /// Calls visit(id, value) for every value that is not 0.
    template <typename Visit>
    void for_each(Visit visit) const
    {
        for (std::uint32_t top = 0; top < fan_out; ++top) {
            auto const* const middle = root_[top].load(std::memory_order_acquire);
            for (std::uint32_t mid = 0; middle && mid < fan_out; ++mid) {
                auto const* const leaf = middle->children[mid].load(std::memory_order_acquire);
                for (std::uint32_t low = 0; leaf && low < fan_out; ++low) {
                    auto const value = leaf->values[low].load(std::memory_order_acquire);
                    if (value != 0) visit(top << 16 | mid << 8 | low, value);
                }
            }
        }
    }

  private:
    static constexpr std::size_t fan_out = 256;

    struct Leaf {
        std::array<std::atomic<std::uint64_t>, fan_out> values{};
    };
    struct Middle {
        std::array<std::atomic<Leaf*>, fan_out> children{};
    };

    template <typename Node>
    [[nodiscard]] Node* child(std::atomic<Node*>& link);

    MemoryPool& pool_;
    std::array<std::atomic<Middle*>, fan_out> root_{};
};

} // namespace hv
