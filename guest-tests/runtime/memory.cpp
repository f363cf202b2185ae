// The four functions that a compiler may call on its own, also in a freestanding program.
#include "runtime/memory.hpp"

extern "C" {

void* memcpy(void* to, void const* from, std::size_t size)
{
    auto* destination = to;
    asm volatile("rep movsb" : "+D"(destination), "+S"(from), "+c"(size)::"memory");
    return to;
}

void* memset(void* to, int value, std::size_t size)
{
    auto* destination = to;
    asm volatile("rep stosb" : "+D"(destination), "+c"(size) : "a"(value) : "memory");
    return to;
}

void* memmove(void* to, void const* from, std::size_t size)
{
    auto* destination = static_cast<unsigned char*>(to);
    auto const* source = static_cast<unsigned char const*>(from);
    if (destination <= source || destination >= source + size) return memcpy(to, from, size);
    auto* last = destination + size - 1;
    auto const* last_source = source + size - 1;
    asm volatile("std; rep movsb; cld" : "+D"(last), "+S"(last_source), "+c"(size)::"memory", "cc");
    return to;
}

int memcmp(void const* a, void const* b, std::size_t size)
{
    auto const volatile* left = static_cast<unsigned char const volatile*>(a);
    auto const volatile* right = static_cast<unsigned char const volatile*>(b);
    for (std::size_t i = 0; i < size; ++i) {
        if (left[i] != right[i]) return left[i] - right[i];
    }
    return 0;
}

} // extern "C"
