/// Sending through a connection (TLFS 2.0a §14.9.7, §14.9.8).
#include "hv/hypercall/calls/calls.hpp"
#include "hv/partition/communication.hpp"
#include "hv/partition/registry.hpp"

#include <cstddef>
#include <cstring>

namespace hv::calls {

/// HvPostMessage (§14.9.7; call code 0x005C).
Status post_message(Caller const& caller, abi::PostMessageInput const& in)
{
    if (!caller.permitted()) return Status::AccessDenied;

    auto const type = static_cast<std::uint32_t>(in.type);
    if (type == 0 || (type & abi::hypervisor_message_mask) != 0) return Status::InvalidParameter;
    if (in.payload_size > abi::max_payload) return Status::InvalidParameter;
    if ((in.connection_id & abi::reserved_id_bits) != 0) return Status::InvalidConnectionId;

    abi::Message message;
    message.header = {in.type, static_cast<std::uint8_t>(in.payload_size), 0, 0, 0};
    // The last word is sent whole: what lies behind the payload in it is none of the receiver's business.
    auto const last_word = in.payload_size / 8;
    if (last_word < message.payload.size()) message.payload[last_word] = 0;
    std::memcpy(message.payload.data(), in.payload.data(), in.payload_size);
    return communication::post(caller.partition, ConnectionId{in.connection_id}, message);
}

/// HvSignalEvent (§14.9.8; call code 0x005D; may be fast).
Status signal_event(Caller const& caller, abi::SignalEventInput const& in)
{
    if (!caller.permitted()) return Status::AccessDenied;
    if (in.reserved != 0) return Status::InvalidParameter;
    if ((in.connection_id & abi::reserved_id_bits) != 0) return Status::InvalidConnectionId;

    auto& partition = caller.partition;
    if (partition.monitors().dozing.load(std::memory_order_relaxed)) [[unlikely]]
        partition.registry().monitors().wake(partition); // a guest that sees MonitorDisabled signals (§14.8.10)
    return communication::signal(partition, ConnectionId{in.connection_id}, in.flag_number);
}

} // namespace hv::calls
