#include "hv/testing/catch.hpp"
#include "hv/testing/fabric.hpp"
#include "hv/vmbus/version_refusal.hpp"

#include <array>
#include <cstring>

using namespace hv;
using namespace hv::testing;

namespace {

constexpr Sint message_sint{2}; // Linux include/linux/hyperv.h, VMBUS_MESSAGE_SINT
constexpr std::uint64_t initiate_contact = 14;
constexpr std::uint32_t version_response = 15;

std::size_t ids_in(IdTable const& table)
{
    std::size_t count = 0;
    table.for_each([&count](std::uint32_t, std::uint64_t) { ++count; });
    return count;
}

/// Type, supported, as the guest reads them from a message's payload.
struct Answer {
    std::uint32_t type;
    std::uint32_t padding;
    std::uint8_t supported;
};

} // namespace

TEST_CASE("a guest that looks for a VMBus is told: not supported (TLFS 2.0a §14.9.7)", "[vmbus]")
{
    PartitionRegistry registry;
    TestGuest const guest{registry, Rights::ordinary()};
    start_synic(guest);
    vmbus::VersionRefusal const refusal{guest.partition};
    GuestSlot const slot{guest, message_sint};

    auto const connection = GENERATE(1U, 4U);
    CHECK(call(guest, abi::CallCode::PostMessage, message_input(connection, initiate_contact, 40)) ==
          Status::Success);
    auto const message = slot.take();
    REQUIRE(message);
    Answer answer{};
    std::memcpy(&answer, message->payload.data(), sizeof answer);
    CHECK(message->header.type == abi::MessageType{1});
    CHECK(message->header.payload_size == 16);
    CHECK(answer.type == version_response);
    CHECK(answer.supported == 0);
}

TEST_CASE("what is no request for a version gets no answer", "[vmbus]")
{
    PartitionRegistry registry;
    TestGuest const guest{registry, Rights::ordinary()};
    start_synic(guest);
    vmbus::VersionRefusal const refusal{guest.partition};
    GuestSlot const slot{guest, message_sint};

    CHECK(call(guest, abi::CallCode::PostMessage, message_input(1, 3, 40)) == Status::Success);
    CHECK(call(guest, abi::CallCode::PostMessage, message_input(1, initiate_contact, 3)) == Status::Success);
    CHECK(call(guest, abi::CallCode::PostMessage, message_input(1, initiate_contact, 0)) == Status::Success);
    CHECK_FALSE(slot.take());
    CHECK(call(guest, abi::CallCode::SignalEvent, abi::SignalEventInput{1, 0, 0}) == Status::InvalidPortId);
}

TEST_CASE("a guest that takes no answer still gets its requests accepted", "[vmbus]")
{
    PartitionRegistry registry;
    TestGuest const guest{registry, Rights::ordinary()};
    vmbus::VersionRefusal const refusal{guest.partition};
    for (unsigned n = 0; n < 20; ++n)
        CHECK(call(guest, abi::CallCode::PostMessage, message_input(1, initiate_contact, 40)) == Status::Success);
}

TEST_CASE("the refusal leaves nothing behind in the root, nor does one that found no memory", "[vmbus]")
{
    PartitionRegistry registry;
    auto& root = registry.root();
    constexpr auto node = std::uint64_t{2048}; // of an ID table
    auto const port_only = communication::port_charge + 2 * node;
    auto const first_connection = port_only + communication::connection_charge + 2 * node;
    auto const pool = GENERATE_COPY(std::uint64_t{0}, port_only, first_connection, std::uint64_t{1} << 20);

    TestGuest const guest{registry, Rights::ordinary(), 1, PartitionRegistry::root_id, pool};
    if (pool == std::uint64_t{1} << 20)
        vmbus::VersionRefusal{guest.partition};
    else
        CHECK_THROWS_AS(vmbus::VersionRefusal{guest.partition}, std::runtime_error);
    CHECK(ids_in(root.ports()) == 0);
    CHECK(ids_in(root.connections()) == 0);
}
