// What the compiler may call for copies and zeros: there is no C library.
#include <stddef.h>

extern "C" void* memcpy(void* to, void const* from, size_t size);
extern "C" void* memset(void* to, int value, size_t size);

extern "C" void* memcpy(void* to, void const* from, size_t size)
{
    auto* target = to;
    asm volatile("rep movsb" : "+D"(target), "+S"(from), "+c"(size) : : "memory");
    return to;
}

extern "C" void* memset(void* to, int value, size_t size)
{
    auto* target = to;
    asm volatile("rep stosb" : "+D"(target), "+c"(size) : "a"(value) : "memory");
    return to;
}
