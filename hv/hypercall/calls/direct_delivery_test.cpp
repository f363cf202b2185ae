/// HvCallSignalEventDirect, HvCallPostMessageDirect (newest).
#include "hv/abi/direct.hpp"
#include "hv/testing/catch.hpp"
#include "hv/testing/family.hpp"

using namespace hv;
using namespace hv::testing;
using abi::CallCode;
using abi::RegisterName;

namespace {

constexpr std::uint64_t childs_simp = 1;
constexpr std::uint64_t childs_siefp = 2;
constexpr std::uint8_t sint = 3;

/// A child with one VP, whose SynIC is on.
struct Hearing : Family {
    Hearing() : Family{abi::creation_flag::local_apic, {3, 4}, 1U << 4}, ram{TestGuest::map_ram()}
    {
        REQUIRE(parent.create_vp(id, 0) == Status::Success);
        parent.host.last->ram.add({Gpa{0}, 4 * page_size, ram.get()});
        for (auto const& [name, value] :
             {std::pair{RegisterName::Scontrol, std::uint64_t{1}},
              {RegisterName::Simp, childs_simp << 12 | 1},
              {RegisterName::Siefp, childs_siefp << 12 | 1},
              {static_cast<RegisterName>(static_cast<std::uint32_t>(RegisterName::Sint0) + sint),
               std::uint64_t{0x50}}})
            REQUIRE(set(id, 0, name, value) == Status::Success);
    }

    struct Signaled {
        Status status;
        unsigned newly;
    };
    [[nodiscard]] Signaled signal(abi::SignalEventDirectInput const& in) const
    {
        REQUIRE(parent.guest.memory.write(Gpa{place::input}, in));
        auto const control = static_cast<std::uint64_t>(CallCode::SignalEventDirect);
        auto const status = status_of(dispatch(parent.guest.vp(), {{control}, place::input, place::output}));
        return {status, output_element<std::uint8_t>(parent.guest, 0)};
    }
    [[nodiscard]] abi::PostMessageDirectInput message(std::uint32_t type, std::uint8_t size = 8) const
    {
        abi::Message text{};
        text.header.type = static_cast<abi::MessageType>(type);
        text.header.payload_size = size;
        text.header.origin = 0x1234;
        text.payload[0] = 0x5678;
        abi::PostMessageDirectInput in{};
        in.partition = id;
        in.sint = sint;
        std::memcpy(in.message.data(), &text, sizeof text);
        return in;
    }
    [[nodiscard]] Status post(abi::PostMessageDirectInput const& in) const
    {
        return call(parent.guest, CallCode::PostMessageDirect, in);
    }
    [[nodiscard]] abi::Message slot() const
    {
        abi::Message out{};
        std::memcpy(&out, ram.get() + childs_simp * page_size + sint * sizeof out, sizeof out);
        return out;
    }

    std::unique_ptr<std::byte[], TestGuest::FreeRam> ram;
};

} // namespace

TEST_CASE("HvCallSignalEventDirect sets a flag of a child's VP, and says whether it was clear (newest)", "[children]")
{
    Hearing const family;
    CHECK(family.signal({family.id, 0, 0, sint, 9}).newly == 1);
    CHECK(family.ram[childs_siefp * page_size + sint * 256 + 1] == std::byte{2});
    auto const again = family.signal({family.id, 0, 0, sint, 9});
    CHECK(again.status == Status::Success);
    CHECK(again.newly == 0);

    CHECK(family.signal({family.id, 0, 1, sint, 9}).status == Status::InvalidParameter);
    CHECK(family.signal({family.id, 0, 0, 16, 9}).status == Status::InvalidParameter);
    CHECK(family.signal({family.id, 0, 0, sint, 2048}).status == Status::InvalidParameter);
    CHECK(family.signal({family.id, 1, 0, sint, 9}).status == Status::InvalidVpIndex);
    CHECK(family.signal({999, 0, 0, sint, 9}).status == Status::InvalidPartitionId);
    CHECK(family.signal({self_partition.value, 0, 0, sint, 9}).status == Status::AccessDenied);
    CHECK(family.set(family.id, 0, RegisterName::Siefp, 0) == Status::Success);
    CHECK(family.signal({family.id, 0, 0, sint, 9}).status == Status::InvalidSynicState);
    CHECK(family.signal({family.parent.create().id, 0, 0, sint, 9}).status == Status::InvalidPartitionState);
}

TEST_CASE("HvCallPostMessageDirect puts a message into the slot of a child's VP (newest)", "[children]")
{
    Hearing const family;
    CHECK(family.post(family.message(0x8000'0010)) == Status::Success); // also what a hypervisor would send
    auto const got = family.slot();
    CHECK(got.header.type == abi::MessageType::TimerExpired);
    CHECK(got.header.origin == 0x1234);
    CHECK(got.payload[0] == 0x5678);
    CHECK(family.post(family.message(1)) == Status::ObjectInUse);
    std::memset(family.ram.get() + childs_simp * page_size + sint * 256, 0, 256);
    CHECK(family.post(family.message(0)) == Status::InvalidParameter);
    CHECK(family.post(family.message(1, 241)) == Status::InvalidParameter);
    auto in = family.message(1);
    in.vtl = 1;
    CHECK(family.post(in) == Status::InvalidParameter);
    in = family.message(1);
    in.sint = 16;
    CHECK(family.post(in) == Status::InvalidParameter);
    in = family.message(1);
    in.vp_index = 3;
    CHECK(family.post(in) == Status::InvalidVpIndex);
    in = family.message(1);
    in.partition = 999;
    CHECK(family.post(in) == Status::InvalidPartitionId);
    in.partition = self_partition.value;
    CHECK(family.post(in) == Status::AccessDenied);
    CHECK(family.set(family.id, 0, RegisterName::Simp, 0) == Status::Success);
    CHECK(family.post(family.message(1)) == Status::InvalidSynicState);
}

TEST_CASE("a child's VP goes while messages wait for it, and their port after it (TLFS 2.0a 10.4.2, 14.2.3)",
          "[children]")
{
    Hearing const family;
    constexpr std::uint32_t number = 7;
    auto const& guest = family.parent.guest;
    constexpr auto self = self_partition.value;
    REQUIRE(call(guest, CallCode::CreatePort, abi::CreatePortInput{family.id, number, 0, self, message_port(sint)}) ==
            Status::Success);
    REQUIRE(call(guest, CallCode::ConnectPort,
                 abi::ConnectPortInput{self, number, 0, family.id, number, 0, abi::PortType::Message, 0}) ==
            Status::Success);
    abi::PostMessageInput const message{number, 0, abi::MessageType{1}, 8, {}};
    for (int i = 0; i < 3; ++i) // of which two wait
        REQUIRE(call(guest, CallCode::PostMessage, message) == Status::Success);

    REQUIRE(family.parent.delete_vp(family.id, 0) == Status::Success);
    CHECK(call(guest, CallCode::PostMessage, message) == Status::InvalidSynicState);
    CHECK(call(guest, CallCode::DeletePort, abi::DeletePortInput{family.id, number, 0}) == Status::Success);
}
