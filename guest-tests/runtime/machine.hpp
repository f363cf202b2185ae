/// The instructions that C++ has no word for.
#pragma once

#include <cstdint>

namespace guest {

using u8 = std::uint8_t;
using u16 = std::uint16_t;
using u32 = std::uint32_t;
using u64 = std::uint64_t;

inline constexpr u64 page_size = 4096;

inline void out8(u16 port, u8 value)
{
    asm volatile("outb %0, %1" ::"a"(value), "Nd"(port) : "memory");
}
inline void out32(u16 port, u32 value)
{
    asm volatile("outl %0, %1" ::"a"(value), "Nd"(port) : "memory");
}

inline u8 in8(u16 port)
{
    u8 value{};
    asm volatile("inb %1, %0" : "=a"(value) : "Nd"(port) : "memory");
    return value;
}

inline u32 in32(u16 port)
{
    u32 value{};
    asm volatile("inl %1, %0" : "=a"(value) : "Nd"(port) : "memory");
    return value;
}

/// The time-stamp counter, in cycles. Not serialising.
inline u64 rdtsc()
{
    u32 low{};
    u32 high{};
    asm volatile("rdtsc" : "=a"(low), "=d"(high)::"memory");
    return u64{high} << 32 | low;
}

/// Raises #GP when there is no such MSR: see try_rdmsr.
inline u64 rdmsr(u32 msr)
{
    u32 low{};
    u32 high{};
    asm volatile("rdmsr" : "=a"(low), "=d"(high) : "c"(msr) : "memory");
    return u64{high} << 32 | low;
}

inline void wrmsr(u32 msr, u64 value)
{
    asm volatile("wrmsr" ::"c"(msr), "a"(static_cast<u32>(value)), "d"(static_cast<u32>(value >> 32)) : "memory");
}

struct CpuidResult {
    u32 eax, ebx, ecx, edx;
};

inline CpuidResult cpuid(u32 leaf, u32 subleaf = 0)
{
    CpuidResult r{};
    asm volatile("cpuid" : "=a"(r.eax), "=b"(r.ebx), "=c"(r.ecx), "=d"(r.edx) : "a"(leaf), "c"(subleaf));
    return r;
}

inline void enable_interrupts()
{
    asm volatile("sti" ::: "memory");
}
inline void disable_interrupts()
{
    asm volatile("cli" ::: "memory");
}

/// Enables interrupts and halts until one has been handled; none can slip in between.
inline void wait_for_interrupt()
{
    asm volatile("sti; hlt" ::: "memory");
}

inline void relax()
{
    asm volatile("pause" ::: "memory");
}

inline u64 read_cr2()
{
    u64 value{};
    asm volatile("movq %%cr2, %0" : "=r"(value));
    return value;
}

inline u64 read_cr3()
{
    u64 value{};
    asm volatile("movq %%cr3, %0" : "=r"(value));
    return value;
}

inline void write_cr3(u64 value)
{
    asm volatile("movq %0, %%cr3" ::"r"(value) : "memory");
}

/// (a * b) >> 64, unsigned.
inline u64 multiply_high(u64 a, u64 b)
{
    u64 low{};
    u64 high{};
    asm("mulq %3" : "=a"(low), "=d"(high) : "0"(a), "rm"(b) : "cc");
    return high;
}

/// Memory that another processor, or the hypervisor, may change at any time.
template <typename T>
T load(T const volatile& from)
{
    return __atomic_load_n(&from, __ATOMIC_ACQUIRE);
}

template <typename T>
void store(T volatile& to, T value)
{
    __atomic_store_n(&to, value, __ATOMIC_RELEASE);
}

/// Makes a GPA of an address: the image is mapped one to one.
template <typename T>
u64 gpa(T const volatile* address)
{
    return reinterpret_cast<u64>(address);
}

/// Keeps interrupts off for its lifetime, and puts them back as they were.
class InterruptsOff {
  public:
    InterruptsOff()
    {
        asm volatile("pushfq; popq %0" : "=r"(flags_)::"memory");
        disable_interrupts();
    }
    ~InterruptsOff()
    {
        if (flags_ & 0x200) enable_interrupts();
    }
    InterruptsOff(InterruptsOff const&) = delete;
    InterruptsOff& operator=(InterruptsOff const&) = delete;

  private:
    u64 flags_{};
};

} // namespace guest
