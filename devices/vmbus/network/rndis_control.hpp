/// The control side of RNDIS: requests of a guest, and the answers.
#pragma once

#include "devices/vmbus/network/oids.hpp"

#include <cstddef>
#include <span>
#include <vector>

namespace devices::network {

/// Longer ones are not listened to: the longest of a known kind has well under 1 KiB.
inline constexpr std::size_t longest_control_message = 4096;
/// And this is the longest of the answers.
inline constexpr std::size_t longest_control_answer = 1024;

/// Carries out a request, a whole message, and puts the answer to it in `answer`; which stays empty when the message
/// wants none. False for what is no request.
[[nodiscard]] bool control(std::span<std::byte const> message, Facts const& facts, Settings& settings,
                           Readings const& readings, std::vector<std::byte>& answer);

/// The message that tells of a link that has gone up or down.
[[nodiscard]] std::vector<std::byte> link_indication(bool up);

} // namespace devices::network
