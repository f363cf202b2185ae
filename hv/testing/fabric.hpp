/// What a guest does with the model, in the words of a test: hypercalls with their input in memory, SynIC set-up, and
/// the recommended way of reading a message slot.
#pragma once

#include "hv/abi/hypercall.hpp"
#include "hv/abi/msr.hpp"
#include "hv/abi/port.hpp"
#include "hv/hypercall/dispatch.hpp"
#include "hv/testing/world.hpp"

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <ostream>
#include <vector>

namespace hv {

inline std::ostream& operator<<(std::ostream& out, Status status)
{
    return out << name_of(status);
}

} // namespace hv

namespace hv::testing {

/// Where the tests' guests keep their pages. VP n adds n × `per_vp`.
namespace place {
inline constexpr std::uint64_t input = 0x4000;
inline constexpr std::uint64_t output = 0x5000;
inline constexpr std::uint64_t message_page = 0x6000;
inline constexpr std::uint64_t event_page = 0x7000;
inline constexpr std::uint64_t per_vp = 0x4000;
} // namespace place

/// The vector that `start_synic` gives a SINT.
[[nodiscard]] constexpr std::uint8_t vector_of(Sint sint)
{
    return static_cast<std::uint8_t>(0x40 + sint.value);
}

[[nodiscard]] inline Status status_of(std::uint64_t result)
{
    return static_cast<Status>(result & 0xFFFF);
}

/// A hypercall with its input in memory.
template <typename Input>
[[nodiscard]] Status call(TestGuest const& guest, abi::CallCode code, Input const& input, unsigned vp = 0)
{
    Gpa const at{place::input + vp * place::per_vp};
    if (!guest.memory.write(at, input)) return Status::InvalidAlignment;
    return status_of(dispatch(guest.vp(vp), {{static_cast<std::uint64_t>(code)}, at.value, 0}));
}

/// A fast hypercall.
[[nodiscard]] inline Status fast_call(TestGuest const& guest, abi::CallCode code, std::uint64_t first,
                                      std::uint64_t second = 0)
{
    auto const control = static_cast<std::uint64_t>(code) | 1U << 16;
    return status_of(dispatch(guest.vp(), {{control}, first, second}));
}

/// The rep fields of a hypercall input value.
[[nodiscard]] constexpr std::uint64_t reps(std::uint64_t count, std::uint64_t start = 0)
{
    return count << 32 | start << 48;
}

/// How many reps a result value says are done.
[[nodiscard]] constexpr std::uint64_t reps_done(std::uint64_t result)
{
    return result >> 32;
}

/// A rep hypercall with header and list in memory, its output going to `place::output`. The result value.
template <typename Header, typename Element>
[[nodiscard]] std::uint64_t rep_call(TestGuest const& guest, abi::CallCode code, Header const& header,
                                     std::vector<Element> const& list, std::uint64_t start = 0, unsigned vp = 0)
{
    auto const offset = vp * place::per_vp;
    bool written = guest.memory.write(Gpa{place::input + offset}, header);
    for (std::size_t i = 0; i < list.size(); ++i)
        std::memcpy(guest.ram.get() + place::input + offset + sizeof header + i * sizeof(Element), &list[i],
                    sizeof(Element));
    if (!written) return abi::result(Status::InvalidAlignment);
    auto const control = static_cast<std::uint64_t>(code) | reps(list.size(), start);
    return dispatch(guest.vp(vp), {{control}, place::input + offset, place::output + offset});
}

/// What a rep call has left in its output list.
template <typename Element>
[[nodiscard]] Element output_element(TestGuest const& guest, std::size_t index, unsigned vp = 0)
{
    Element element{};
    auto const offset = vp * place::per_vp + index * sizeof(Element);
    std::memcpy(&element, guest.ram.get() + place::output + offset, sizeof element);
    return element;
}

inline void write_msr(TestGuest const& guest, std::uint32_t msr, std::uint64_t value, unsigned vp = 0)
{
    if (!guest.vp(vp).write_msr(msr, value)) throw std::runtime_error{"unexpected #GP"};
}

/// Maps both SynIC pages of a VP, unmasks every SINT but 0 and enables the SynIC.
inline void start_synic(TestGuest const& guest, unsigned vp = 0)
{
    write_msr(guest, abi::msr::simp, (place::message_page + vp * place::per_vp) | 1, vp);
    write_msr(guest, abi::msr::siefp, (place::event_page + vp * place::per_vp) | 1, vp);
    for (std::uint32_t n = 1; n < sint_count; ++n)
        write_msr(guest, abi::msr::sint0 + n, vector_of(Sint{n}), vp);
    write_msr(guest, abi::msr::scontrol, 1, vp);
}

/// A message slot as its guest sees it. Only atomics touch it, so that a consumer may run on a thread of its own.
class GuestSlot {
  public:
    GuestSlot(TestGuest const& guest, Sint sint, unsigned vp = 0)
        : guest_{guest},
          vp_{vp},
          base_{guest.ram.get() + place::message_page + vp * place::per_vp + sint.value * sizeof(abi::Message)}
    {}

    [[nodiscard]] std::uint32_t type() const
    {
        return __atomic_load_n(reinterpret_cast<std::uint32_t*>(base_), __ATOMIC_ACQUIRE);
    }
    [[nodiscard]] bool pending() const
    {
        return (__atomic_load_n(reinterpret_cast<std::uint8_t*>(base_ + 5), __ATOMIC_SEQ_CST) & 1) != 0;
    }
    [[nodiscard]] abi::Message message() const
    {
        abi::Message copy;
        copy_from_shared(&copy, base_, sizeof copy);
        return copy;
    }
    [[nodiscard]] std::uint64_t origin() const { return message().header.origin; }
    [[nodiscard]] std::uint64_t word() const { return message().payload[0]; }

    /// Empties the slot. The flags are to be tested afterwards only (§14.8.3).
    void empty() const { __atomic_store_n(reinterpret_cast<std::uint32_t*>(base_), 0, __ATOMIC_SEQ_CST); }
    void end_of_message() const { write_msr(guest_, abi::msr::eom, 0, vp_); }

    /// The recommended handling: copy, empty, then EOM if the flags ask for it. Nothing when the slot is empty.
    [[nodiscard]] std::optional<abi::Message> take() const
    {
        if (type() == 0) return std::nullopt;
        auto const copy = message();
        empty();
        if (pending()) end_of_message();
        return copy;
    }

    [[nodiscard]] std::byte* bytes() const { return base_; }

  private:
    TestGuest const& guest_;
    unsigned vp_;
    std::byte* base_;
};

/// Whether an event flag is set in a VP's SIEF page; clears it.
[[nodiscard]] inline bool take_flag(TestGuest const& guest, Sint sint, unsigned flag, unsigned vp = 0)
{
    auto* const byte = reinterpret_cast<std::uint8_t*>(guest.ram.get() + place::event_page + vp * place::per_vp +
                                                       sint.value * (abi::event_flag_count / 8) + flag / 8);
    auto const mask = static_cast<std::uint8_t>(1U << flag % 8);
    return (__atomic_fetch_and(byte, static_cast<std::uint8_t>(~mask), __ATOMIC_SEQ_CST) & mask) != 0;
}

[[nodiscard]] inline abi::PortInfo message_port(std::uint32_t sint, std::uint32_t vp = 0)
{
    return {abi::PortType::Message, 0, sint, vp, 0, 0, 0};
}

[[nodiscard]] inline abi::PortInfo event_port(std::uint32_t sint, std::uint16_t base, std::uint16_t count,
                                              std::uint32_t vp = 0)
{
    return {abi::PortType::Event, 0, sint, vp, base, count, 0};
}

/// A message whose payload begins with `word`.
[[nodiscard]] inline abi::PostMessageInput message_input(std::uint32_t connection, std::uint64_t word,
                                                         std::uint32_t size = 8, std::uint32_t type = 1)
{
    abi::PostMessageInput input{connection, 0, abi::MessageType{type}, size, {}};
    input.payload[0] = word;
    return input;
}

/// Two guests of the root: one that has ports and one that sends.
struct Fabric {
    PartitionRegistry registry;
    TestGuest receiver{registry};
    TestGuest sender{registry};

    [[nodiscard]] std::uint64_t receiver_id() const { return receiver.partition->id().value; }
    [[nodiscard]] std::uint64_t sender_id() const { return sender.partition->id().value; }

    [[nodiscard]] Status create(std::uint32_t port, abi::PortInfo const& info) const
    {
        return call(receiver, abi::CallCode::CreatePort,
                    abi::CreatePortInput{self_partition.value, port, 0, sender_id(), info});
    }
    [[nodiscard]] Status remove(std::uint32_t port) const
    {
        return call(receiver, abi::CallCode::DeletePort, abi::DeletePortInput{self_partition.value, port, 0});
    }
    [[nodiscard]] Status connect(std::uint32_t connection, std::uint32_t port, abi::PortType type) const
    {
        return call(sender, abi::CallCode::ConnectPort,
                    abi::ConnectPortInput{self_partition.value, connection, 0, receiver_id(), port, 0, type, 0});
    }
    [[nodiscard]] Status disconnect(std::uint32_t connection) const
    {
        return call(sender, abi::CallCode::DisconnectPort,
                    abi::DisconnectPortInput{self_partition.value, connection, 0});
    }
    [[nodiscard]] Status post(std::uint32_t connection, std::uint64_t word) const
    {
        return call(sender, abi::CallCode::PostMessage, message_input(connection, word));
    }
    [[nodiscard]] Status signal(std::uint32_t connection, std::uint16_t flag) const
    {
        return call(sender, abi::CallCode::SignalEvent, abi::SignalEventInput{connection, flag, 0});
    }
};

} // namespace hv::testing
