#include "devices/vmbus/network/toeplitz.hpp"

namespace devices::network {

Toeplitz::Toeplitz(std::span<std::byte const, ndis::rss_key_size> key)
{
    for (std::size_t place = 0; place < longest_input; ++place) {
        std::uint64_t window = 0; // the 32 bits of the key from bit 8 * place on, and eight more
        for (std::size_t i = 0; i < 5; ++i)
            window = window << 8 | std::to_integer<std::uint64_t>(key[place + i]);
        for (unsigned value = 0; value < 256; ++value)
            for (unsigned bit = 0; bit < 8; ++bit)
                if (value & (0x80U >> bit)) table_[place][value] ^= static_cast<std::uint32_t>(window >> (8 - bit));
    }
}

} // namespace devices::network
