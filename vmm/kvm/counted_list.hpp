/// KVM's structures that end in an array: a count, four bytes of padding, and the entries. Linux's headers declare
/// them with an empty structure inside, which C++ gives a size, so neither the layout nor the ioctl numbers made from
/// it are right here. These are.
#pragma once

#include <linux/kvm.h>

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <vector>

namespace vmm {

/// kvm_cpuid2, kvm_msrs or kvm_irq_routing.
template <typename Entry>
class CountedList {
  public:
    explicit CountedList(std::size_t entries) : words_((header_bytes + entries * sizeof(Entry) + 7) / 8)
    {
        set_count(entries);
    }
    explicit CountedList(std::span<Entry const> entries) : CountedList{entries.size()}
    {
        std::memcpy(words_.data() + 1, entries.data(), entries.size_bytes());
    }

    [[nodiscard]] void* data() { return words_.data(); }
    [[nodiscard]] std::span<Entry> entries() { return {reinterpret_cast<Entry*>(words_.data() + 1), count()}; }

  private:
    static constexpr std::size_t header_bytes = 8;
    static_assert(alignof(Entry) <= alignof(std::uint64_t));

    void set_count(std::size_t count) { words_[0] = static_cast<std::uint32_t>(count); }
    [[nodiscard]] std::size_t count() const { return static_cast<std::uint32_t>(words_[0]); }

    std::vector<std::uint64_t> words_; // KVM changes the first, the count
};

namespace kvm_request {

using Header = std::uint64_t; ///< what the ioctl numbers take the size of

inline constexpr unsigned long get_supported_cpuid = _IOWR(KVMIO, 0x05, Header);
inline constexpr unsigned long set_gsi_routing = _IOW(KVMIO, 0x6A, Header);
inline constexpr unsigned long get_msrs = _IOWR(KVMIO, 0x88, Header);
inline constexpr unsigned long set_msrs = _IOW(KVMIO, 0x89, Header);
inline constexpr unsigned long set_cpuid2 = _IOW(KVMIO, 0x90, Header);

/// Of kvm_xsave, which ends in an array without a size.
using XsaveArea = std::uint8_t[4096]; // NOLINT(modernize-avoid-c-arrays): its size is what counts
inline constexpr unsigned long get_xsave = _IOR(KVMIO, 0xA4, XsaveArea);
inline constexpr unsigned long set_xsave = _IOW(KVMIO, 0xA5, XsaveArea);
inline constexpr unsigned long get_xsave2 = _IOR(KVMIO, 0xCF, XsaveArea);

} // namespace kvm_request

} // namespace vmm
