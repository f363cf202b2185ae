/// A packet that a guest has no answer to yet, as it came: it is served anew where its channel goes on.
#pragma once

#include "hv/base/state.hpp"
#include "hv/vmbus/packet.hpp"

#include <cstddef>
#include <cstdint>
#include <tuple>
#include <vector>

namespace devices::storage {

struct UnansweredPacket {
    std::uint64_t id = 0;
    bool wants_answer = false;
    bool direct = false;             ///< it names memory
    std::vector<std::byte> header{}; ///< which is that
    std::vector<std::byte> payload{};

    /// Valid as long as this.
    [[nodiscard]] hv::vmbus::Packet packet() const
    {
        auto const type = direct ? hv::abi::PacketType::DataUsingGpaDirect : hv::abi::PacketType::DataInband;
        std::uint16_t const flags = wants_answer ? hv::abi::packet_flag_completion_requested : 0;
        return {{type, 0, 0, flags, id}, header, payload};
    }

    static constexpr auto fields()
    {
        constexpr auto most = hv::vmbus::longest_packet;
        return std::tuple{hv::StateField{"id", &UnansweredPacket::id},
                          hv::StateField{"wants_answer", &UnansweredPacket::wants_answer},
                          hv::StateField{"direct", &UnansweredPacket::direct},
                          hv::StateField{"header", &UnansweredPacket::header, hv::Shown::No, most},
                          hv::StateField{"payload", &UnansweredPacket::payload, hv::Shown::No, most}};
    }
};

} // namespace devices::storage
