#include "hv/synic/slot.hpp"

#include "hv/base/guest_memory.hpp"

#include <cstddef>

namespace hv::slot {

namespace {

template <typename Word>
Word* word_at(std::byte* slot, std::size_t offset)
{
    return reinterpret_cast<Word*>(slot + offset);
}

constexpr auto flags_offset = offsetof(abi::MessageHeader, flags);

} // namespace

bool is_empty(std::byte const* slot)
{
    return __atomic_load_n(reinterpret_cast<std::uint32_t const*>(slot), __ATOMIC_ACQUIRE) == 0;
}

void fill(std::byte* slot, abi::Message const& message, bool more_pending)
{
    auto const& header = message.header;
    auto const payload_bytes = (std::size_t{header.payload_size} + 7) & ~std::size_t{7};
    copy_to_shared(slot + offsetof(abi::Message, payload), message.payload.data(), payload_bytes);
    __atomic_store_n(word_at<std::uint64_t>(slot, offsetof(abi::MessageHeader, origin)), header.origin,
                     __ATOMIC_RELAXED);

    auto const flags = more_pending ? abi::message_pending : std::uint8_t{0};
    auto const size_and_flags = static_cast<std::uint32_t>(header.payload_size | flags << 8);
    __atomic_store_n(word_at<std::uint32_t>(slot, offsetof(abi::MessageHeader, payload_size)), size_and_flags,
                     __ATOMIC_RELAXED);
    __atomic_store_n(word_at<std::uint32_t>(slot, 0), static_cast<std::uint32_t>(header.type), __ATOMIC_RELEASE);
}

void mark_pending(std::byte* slot)
{
    __atomic_fetch_or(word_at<std::uint8_t>(slot, flags_offset), abi::message_pending, __ATOMIC_SEQ_CST);
}

bool set_flag(std::byte* flags, unsigned flag)
{
    auto const mask = std::uint64_t{1} << (flag % 64);
    auto* const word = word_at<std::uint64_t>(flags, flag / 64 * sizeof(std::uint64_t));
    return (__atomic_fetch_or(word, mask, __ATOMIC_SEQ_CST) & mask) == 0;
}

} // namespace hv::slot
