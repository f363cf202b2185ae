/// What a guest has made of its network card, as it goes from one to another.
#pragma once

#include "devices/vmbus/network/receive_buffer.hpp"
#include "devices/vmbus/network/settings.hpp"
#include "hv/base/state.hpp"

#include <cstdint>
#include <tuple>
#include <vector>

namespace devices::network {

/// A buffer of the guest's memory.
struct LentBuffer {
    bool there = false;
    std::uint32_t gpadl = 0;
    std::uint16_t id = 0;
    std::uint32_t section_size = 0; ///< as the guest was told

    static constexpr auto fields()
    {
        return std::tuple{hv::StateField{"there", &LentBuffer::there}, hv::StateField{"gpadl", &LentBuffer::gpadl},
                          hv::StateField{"id", &LentBuffer::id},
                          hv::StateField{"section_size", &LentBuffer::section_size}};
    }
};

/// An answer to a control message. It lies in the receive buffer, and waits for room in the ring.
struct ControlAnswer {
    Section section = 0;
    std::uint32_t size = 0;

    static constexpr auto fields()
    {
        return std::tuple{hv::StateField{"section", &ControlAnswer::section},
                          hv::StateField{"size", &ControlAnswer::size}};
    }
};

struct CardState {
    Settings settings{};
    bool cable_in = true;
    bool link_indicated = true; ///< what the guest knows
    std::uint32_t sub_channels = 0;
    bool table_due = false;
    LentBuffer send_buffer{};
    LentBuffer receive_buffer{};
    std::vector<std::uint32_t> with_guest{}; ///< ReceiveBuffer::with_guest
    bool room_awaited = false;
    std::vector<ControlAnswer> answers{};

    static constexpr auto fields()
    {
        return std::tuple{
            hv::StateField{"settings", &CardState::settings},
            hv::StateField{"cable_in", &CardState::cable_in},
            hv::StateField{"link_indicated", &CardState::link_indicated},
            hv::StateField{"sub_channels", &CardState::sub_channels},
            hv::StateField{"table_due", &CardState::table_due},
            hv::StateField{"send_buffer", &CardState::send_buffer},
            hv::StateField{"receive_buffer", &CardState::receive_buffer},
            hv::StateField{"with_guest", &CardState::with_guest, hv::Shown::No, ReceiveBuffer::most_sections},
            hv::StateField{"room_awaited", &CardState::room_awaited},
            hv::StateField{"answers", &CardState::answers, hv::Shown::No, ReceiveBuffer::control_reserve}};
    }
};

} // namespace devices::network
