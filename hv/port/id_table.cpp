#include "hv/port/id_table.hpp"

#include <new>

namespace hv {

IdTable::~IdTable()
{
    for (auto& top : root_) {
        auto* const middle = top.load();
        if (!middle) continue;
        for (auto& link : middle->children)
            delete link.load();
        delete middle;
    }
}

template <typename Node>
Node* IdTable::child(std::atomic<Node*>& link)
{
    if (auto* const present = link.load(std::memory_order_acquire)) return present;
    if (!pool_.charge(sizeof(Node))) return nullptr;
    auto* const made = new (std::nothrow) Node;
    if (made)
        link.store(made, std::memory_order_release);
    else
        pool_.release(sizeof(Node));
    return made;
}

bool IdTable::reserve(std::uint32_t id)
{
    if (id >> id_bits != 0) return false;
    auto* const middle = child(root_[id >> 16]);
    return middle && child(middle->children[id >> 8 & 0xFF]);
}

void IdTable::set(std::uint32_t id, std::uint64_t value)
{
    auto* const middle = root_[id >> 16].load(std::memory_order_acquire);
    auto* const leaf = middle->children[id >> 8 & 0xFF].load(std::memory_order_acquire);
    leaf->values[id & 0xFF].store(value, std::memory_order_release);
}

} // namespace hv
