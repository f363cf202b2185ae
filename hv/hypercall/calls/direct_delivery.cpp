/// Messages and events that a parent gives its child's SynIC without a port (newest).
#include "hv/abi/direct.hpp"
#include "hv/hypercall/calls/calls.hpp"
#include "hv/hypercall/calls/own_child.hpp"
#include "hv/vp/virtual_processor.hpp"

#include <cstring>

namespace hv::calls {

namespace {

/// Does `work` with the SynIC of a child's VP, which stays meanwhile.
template <typename Input, typename Work>
Status with_synic(Caller const& caller, Input const& in, Work const& work)
{
    return with_own_child(caller, in.partition, [&](Children&, Partition& child) {
        Partition::Visit const visit{child};
        if (!child.active()) return Status::InvalidPartitionState;
        if (in.vtl != 0 || in.sint >= sint_count) return Status::InvalidParameter;
        auto* const vp = child.vp(VpIndex{in.vp_index});
        return vp ? work(child, *vp) : Status::InvalidVpIndex;
    });
}

/// As it is just now in the page of event flags.
bool is_set(Partition const& child, Synic const& synic, abi::SignalEventDirectInput const& in)
{
    constexpr unsigned bits_a_byte = 8;
    abi::PageRegister const siefp{synic.siefp()};
    auto const* const page = siefp.enabled() ? child.memory().page(siefp.page()) : nullptr;
    if (!page) return false;
    auto const bit = in.sint * abi::event_flag_count + in.flag;
    auto const byte =
        __atomic_load_n(reinterpret_cast<std::uint8_t const*>(page) + bit / bits_a_byte, __ATOMIC_RELAXED);
    return (byte >> bit % bits_a_byte & 1) != 0;
}

} // namespace

/// HvCallSignalEventDirect (call code 0x00C0).
Result<abi::SignalEventDirectOutput> signal_event_direct(Caller const& caller, abi::SignalEventDirectInput const& in)
{
    abi::SignalEventDirectOutput out{};
    auto const status = with_synic(caller, in, [&](Partition& child, VirtualProcessor& vp) {
        if (in.flag >= abi::event_flag_count) return Status::InvalidParameter;
        bool const before = is_set(child, vp.synic(), in);
        PendingInterrupts pending;
        auto const signaled = vp.synic().signal(Sint{in.sint}, in.flag, pending);
        if (signaled == Status::Success) vp.synic().raise(pending);
        out.newly_signaled = before ? 0 : 1;
        return signaled;
    });
    if (status != Status::Success) return status;
    return out;
}

/// HvCallPostMessageDirect (call code 0x00C1). The slot is free, or the message is not taken: there is no queue.
Status post_message_direct(Caller const& caller, abi::PostMessageDirectInput const& in)
{
    return with_synic(caller, in, [&](Partition&, VirtualProcessor& vp) {
        abi::Message message;
        std::memcpy(&message, in.message.data(), sizeof message);
        bool const good = message.header.type != abi::MessageType::None &&
                          message.header.payload_size <= abi::max_payload && message.header.flags == 0 &&
                          message.header.reserved == 0;
        if (!good) return Status::InvalidParameter;
        PendingInterrupts pending;
        auto const posted = vp.synic().post(Sint{in.sint}, message, nullptr, pending);
        vp.synic().raise(pending);
        return posted == Status::NoResources ? Status::ObjectInUse : posted;
    });
}

} // namespace hv::calls
