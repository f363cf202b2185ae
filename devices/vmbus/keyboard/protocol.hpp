/// The messages of the synthetic keyboard (Linux drivers/input/serio/hyperv-keyboard.c).
#pragma once

#include <cstddef>
#include <cstdint>

namespace devices::vmbus::keyboard {

enum class MessageType : std::uint32_t {
    ProtocolRequest = 1,  ///< guest to host, like the next but one
    ProtocolResponse = 2, ///< host to guest
    Event = 3,            ///< host to guest
    Indicators = 4,
};

inline constexpr std::uint32_t version_1_0 = 1U << 16;

struct ProtocolRequest {
    MessageType type;
    std::uint32_t version;
};

struct ProtocolResponse {
    MessageType type;
    std::uint32_t accepted; ///< 1 or 0
};

struct Keystroke {
    MessageType type;
    std::uint16_t make_code; ///< of scan code set 1
    std::uint16_t reserved;
    std::uint32_t flags;
};
static_assert(sizeof(Keystroke) == 12 && offsetof(Keystroke, flags) == 8);

namespace keystroke_flags {
inline constexpr std::uint32_t released = 2;
inline constexpr std::uint32_t e0 = 4; ///< the make code has this prefix
inline constexpr std::uint32_t e1 = 8;
} // namespace keystroke_flags

struct Indicators {
    MessageType type;
    std::uint16_t lit; ///< 1 scroll lock, 2 num lock, 4 caps lock
    std::uint16_t reserved;
};

} // namespace devices::vmbus::keyboard
