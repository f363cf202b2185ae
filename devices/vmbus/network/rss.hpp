/// Receive-side scaling: which channel a received frame goes to.
#pragma once

#include "devices/net/frame_headers.hpp"
#include "devices/vmbus/network/ndis.hpp"
#include "devices/vmbus/network/toeplitz.hpp"
#include "hv/base/state.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <tuple>

namespace devices::network {

/// As the guest has set it.
struct RssSetting {
    bool on = false;
    std::uint32_t hashed = 0;                                   ///< of ndis::rss_hash: what is hashed
    std::array<std::uint16_t, ndis::rss_table_entries> table{}; ///< channels, by the hash's low bits
    std::array<std::byte, ndis::rss_key_size> key{};

    friend bool operator==(RssSetting const&, RssSetting const&) = default;

    static constexpr auto fields()
    {
        return std::tuple{hv::StateField{"on", &RssSetting::on, hv::Shown::Yes},
                          hv::StateField{"hashed", &RssSetting::hashed, hv::Shown::Yes},
                          hv::StateField{"table", &RssSetting::table}, hv::StateField{"key", &RssSetting::key}};
    }
};

/// The same, ready for frames.
class Rss {
  public:
    explicit Rss(RssSetting const& parameters) : parameters_{parameters}, toeplitz_{parameters_.key} {}

    /// Nothing for a frame that is not hashed.
    [[nodiscard]] std::optional<std::uint32_t> hash(std::span<std::byte const> start,
                                                    net::FrameHeaders const& headers) const;
    [[nodiscard]] std::uint16_t channel(std::uint32_t hash) const
    {
        return parameters_.table[hash % parameters_.table.size()];
    }

  private:
    RssSetting const parameters_;
    Toeplitz const toeplitz_;
};

} // namespace devices::network
