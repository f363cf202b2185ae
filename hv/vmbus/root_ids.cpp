#include "hv/vmbus/root_ids.hpp"

#include "hv/partition/communication.hpp"

#include <atomic>
#include <cstdint>

namespace hv::vmbus {

namespace {

constexpr std::uint32_t first_id = 0x0010'0000; ///< those below are for whoever wants IDs of his own choice
constexpr std::uint32_t id_count = 0x00F0'0000;

/// Counts through all IDs before one comes again, so that the first free one is near.
std::uint32_t next_id()
{
    static std::atomic<std::uint32_t> next{0};
    return first_id + next.fetch_add(1, std::memory_order_relaxed) % id_count;
}

template <typename Identifier, typename Make>
std::optional<Identifier> with_free_id(Status in_use, Make make)
{
    for (std::uint32_t tries = 0; tries < id_count; ++tries) {
        Identifier const id{next_id()};
        auto const status = make(id);
        if (status == Status::Success) return id;
        if (status != in_use) return std::nullopt;
    }
    return std::nullopt;
}

} // namespace

std::optional<PortId> create_root_port(Partition& root, PortSpec const& spec)
{
    return with_free_id<PortId>(Status::InvalidPortId,
                                [&](PortId id) { return communication::create_port(root, id, spec); });
}

std::optional<ConnectionId> connect_root(Partition& root, Partition& guest, PortId port, abi::PortType type)
{
    return with_free_id<ConnectionId>(Status::InvalidConnectionId, [&](ConnectionId id) {
        return communication::connect(root, id, guest, port, type);
    });
}

} // namespace hv::vmbus
