/// Answers to what a guest asks of its network card, and what it sets.
#pragma once

#include "devices/vmbus/network/ndis.hpp"
#include "devices/vmbus/network/rndis.hpp"
#include "devices/vmbus/network/settings.hpp"

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace devices::network {

/// Numbers that change by themselves.
struct Readings {
    bool link_up = true;
    std::uint64_t sent = 0;
    std::uint64_t sent_bytes = 0;
    std::uint64_t send_errors = 0;
    std::uint64_t received = 0;
    std::uint64_t received_bytes = 0;
    std::uint64_t receive_dropped = 0;
};

/// Adds the answer to `out`; nothing unless the status is Success.
[[nodiscard]] rndis::Status query_oid(ndis::Oid oid, Facts const& facts, Settings const& settings,
                                      Readings const& readings, std::vector<std::byte>& out);

/// `value` is what the guest gives with it. Nothing is changed unless the status is Success.
[[nodiscard]] rndis::Status set_oid(ndis::Oid oid, std::span<std::byte const> value, Facts const& facts,
                                    Settings& settings);

} // namespace devices::network
