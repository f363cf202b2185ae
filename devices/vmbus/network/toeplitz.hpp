/// The hash by which receive-side scaling spreads connections over channels ("Toeplitz", Microsoft's RSS hashing
/// functions).
#pragma once

#include "devices/vmbus/network/ndis.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

namespace devices::network {

class Toeplitz {
  public:
    static constexpr std::size_t longest_input = 36; ///< two IPv6 addresses and two ports

    explicit Toeplitz(std::span<std::byte const, ndis::rss_key_size> key);

    /// At most `longest_input` bytes.
    [[nodiscard]] std::uint32_t hash(std::span<std::byte const> input) const
    {
        std::uint32_t out = 0;
        for (std::size_t i = 0; i < input.size(); ++i)
            out ^= table_[i][std::to_integer<std::size_t>(input[i])];
        return out;
    }

  private:
    std::array<std::array<std::uint32_t, 256>, longest_input> table_{}; ///< what each byte adds at each place
};

} // namespace devices::network
