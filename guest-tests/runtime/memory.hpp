/// Plain memory, and the few helpers on it that the programs need.
#pragma once

#include <cstddef>

#include "runtime/machine.hpp"

extern "C" {
void* memcpy(void* to, void const* from, std::size_t size);
void* memset(void* to, int value, std::size_t size);
void* memmove(void* to, void const* from, std::size_t size);
int memcmp(void const* a, void const* b, std::size_t size);
}

namespace guest {

/// One page of guest memory. Static storage only: a stack is no place for an overlay.
struct alignas(page_size) Page {
    u8 bytes[page_size];

    /// Both go through volatile accesses: the hypervisor may lay another page over this one.
    void fill(u8 value)
    {
        auto volatile* const words = reinterpret_cast<u64 volatile*>(bytes);
        for (unsigned i = 0; i < page_size / 8; ++i)
            words[i] = value * 0x0101'0101'0101'0101u;
    }
    [[nodiscard]] bool holds_only(u8 value) const
    {
        auto const volatile* const words = reinterpret_cast<u64 const volatile*>(bytes);
        for (unsigned i = 0; i < page_size / 8; ++i) {
            if (words[i] != value * 0x0101'0101'0101'0101u) return false;
        }
        return true;
    }
};

[[nodiscard]] inline bool starts_with(char const* text, char const* prefix)
{
    for (; *prefix; ++text, ++prefix) {
        if (*text != *prefix) return false;
    }
    return true;
}

} // namespace guest
