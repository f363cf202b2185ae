/// Doorbell ports and the page of event rings: HvCallCreatePort and HvCallConnectPort with a type of 4 (newest),
/// HvCallNotifyPortRingEmpty (Linux, drivers/hv/mshv_synic.c).
#include "hv/abi/msr.hpp"
#include "hv/hypercall/dispatch.hpp"
#include "hv/partition/children.hpp"
#include "hv/synic/event_ring.hpp"
#include "hv/testing/catch.hpp"
#include "hv/testing/child_host.hpp"

#include <cstring>

using namespace hv;
using namespace hv::testing;
using abi::CallCode;
using abi::DoorbellInfo;
using abi::PortType;

namespace {

constexpr auto self = self_partition.value;
constexpr std::uint32_t sint = 5;
constexpr std::uint64_t ring_page = 0xD;
constexpr std::uint64_t simp_page = 0xE;
constexpr std::uint64_t bell = 0x9008;
constexpr std::uint64_t as_intercept = 1U << 19;

/// A parent with a page of event rings on its first VP, and a child with a VP.
struct Belfry {
    explicit Belfry(std::uint64_t sint_flags = as_intercept)
    {
        id = parent.active_child();
        REQUIRE(id != 0);
        REQUIRE(parent.deposit(id, ParentGuest::spare_pages(8, 0x38)) == abi::result(Status::Success, 8));
        REQUIRE(parent.create_vp(id, 0) == Status::Success);
        write_msr(parent.guest, abi::msr::scontrol, 1);
        write_msr(parent.guest, abi::msr::simp, simp_page << 12 | 1);
        write_msr(parent.guest, abi::msr::sirbp, ring_page << 12 | 1);
        write_msr(parent.guest, abi::msr::sint0, 0x50);
        write_msr(parent.guest, abi::msr::sint0 + sint, 0x51 | sint_flags);
    }

    [[nodiscard]] Status create(std::uint32_t port, std::uint64_t peer, PortType type = PortType::Doorbell,
                                std::uint32_t to = sint, std::uint32_t vp = any_vp.value) const
    {
        return call(parent.guest, CallCode::CreatePortVtl,
                    abi::CreatePortVtlInput{self, port, 0, 0, 0, peer, {type, 0, to, vp, 0, 0, 0}, 0});
    }
    [[nodiscard]] Status connect(std::uint32_t port, DoorbellInfo const& info,
                                 PortType type = PortType::Doorbell) const
    {
        return call(parent.guest, CallCode::ConnectPortVtl,
                    abi::ConnectPortVtlInput{
                        id, port, 0, 0, 0, self, port, 0, type, 0, {info.gpa, info.trigger_value, info.flags}, 0});
    }
    [[nodiscard]] Status disconnect(std::uint32_t port) const
    {
        return call(parent.guest, CallCode::DisconnectPort, abi::DisconnectPortInput{id, port, 1});
    }
    [[nodiscard]] Status remove(std::uint32_t port) const
    {
        return call(parent.guest, CallCode::DeletePort, abi::DeletePortInput{self, port, 0});
    }
    [[nodiscard]] Status emptied(std::uint32_t of = sint, std::uint32_t reserved = 0) const
    {
        return call(parent.guest, CallCode::NotifyPortRingEmpty, abi::NotifyPortRingEmptyInput{of, reserved});
    }
    /// A port that rings at `bell + n`.
    void hang(std::uint32_t port, std::uint64_t n = 0) const
    {
        REQUIRE(create(port, id) == Status::Success);
        REQUIRE(connect(port, {bell + n, 0, 1 | DoorbellInfo::any_value}) == Status::Success);
    }
    /// The child writes a byte there.
    [[nodiscard]] bool write(std::uint64_t gpa = bell, std::uint8_t value = 1) const
    {
        auto const byte = std::byte{value};
        return parent.host.last->processors.at(0)->supervisor->rang(Gpa{gpa}, {&byte, 1});
    }

    [[nodiscard]] std::byte* page(std::uint64_t number) const { return parent.guest.ram.get() + number * page_size; }
    [[nodiscard]] abi::EventRing ring() const
    {
        abi::EventRing out{};
        std::memcpy(&out, page(ring_page) + sint * event_ring::size, sizeof out);
        return out;
    }
    /// Takes ports out as Linux does; `tail` is where it is.
    [[nodiscard]] std::uint32_t take()
    {
        auto* const entry = page(ring_page) + sint * event_ring::size + offsetof(abi::EventRing, ports) + 4 * tail;
        std::uint32_t port = 0;
        std::memcpy(&port, entry, sizeof port);
        std::memset(entry, 0, sizeof port);
        if (port != 0) tail = (tail + 1) % abi::EventRing::length;
        return port;
    }
    void unmask() const { std::memset(page(ring_page) + sint * event_ring::size, 0, 2); }
    [[nodiscard]] abi::Message slot() const
    {
        abi::Message out{};
        std::memcpy(&out, page(simp_page), sizeof out);
        return out;
    }

    PartitionRegistry registry;
    ParentGuest parent{registry};
    std::uint64_t id = 0;
    std::size_t tail = 0;
};

} // namespace

TEST_CASE("a doorbell: the child's write is in the ring, and a message to SINT0 says so (newest; Linux)",
          "[doorbells]")
{
    Belfry b;
    b.hang(7);
    CHECK_FALSE(b.write(bell + 8));
    CHECK(b.slot().header.type == abi::MessageType::None);
    CHECK(b.write());
    auto const message = b.slot();
    CHECK(message.header.type == abi::MessageType::SynicSintIntercept);
    CHECK(message.header.payload_size == 4);
    CHECK(message.header.origin == 0);
    CHECK(message.payload[0] == sint);
    CHECK(b.ring().ports[0] == 7);
    CHECK(b.ring().signal_masked == 1);
    CHECK(b.parent.guest.sink.asserted.size() == 1);

    // While it is masked the guest is not told again, and afterwards it is.
    std::memset(b.page(simp_page), 0, 4);
    CHECK(b.write());
    CHECK(b.slot().header.type == abi::MessageType::None);
    CHECK(b.take() == 7);
    CHECK(b.take() == 7);
    CHECK(b.take() == 0);
    b.unmask();
    CHECK(b.write());
    CHECK(b.slot().header.type == abi::MessageType::SynicSintIntercept);
    CHECK(b.take() == 7);

    CHECK(b.disconnect(7) == Status::Success);
    CHECK_FALSE(b.write());
    CHECK(b.remove(7) == Status::Success);
}

TEST_CASE("a doorbell of a SINT without the flag interrupts by itself", "[doorbells]")
{
    Belfry const b{0};
    b.hang(7);
    CHECK(b.write());
    CHECK(b.slot().header.type == abi::MessageType::None);
    REQUIRE(b.parent.guest.sink.asserted.size() == 1);
    CHECK(b.ring().ports[0] == 7);
}

TEST_CASE("a full ring: ports wait, each once, for HvCallNotifyPortRingEmpty (Linux)", "[doorbells]")
{
    Belfry b;
    b.hang(1);
    b.hang(2, 1);
    for (std::size_t i = 0; i < abi::EventRing::length; ++i)
        CHECK(b.write());
    CHECK(b.ring().full == 0);
    for (int i = 0; i < 3; ++i) {
        CHECK(b.write());
        CHECK(b.write(bell + 1));
    }
    CHECK(b.ring().full == 1);
    b.hang(3, 2);
    CHECK(b.write(bell + 2));
    CHECK(b.remove(2) == Status::Success); // and waits no more
    for (std::size_t i = 0; i < abi::EventRing::length; ++i)
        CHECK(b.take() == 1);
    CHECK(b.take() == 0);
    b.unmask();
    CHECK(b.emptied() == Status::Success);
    CHECK(b.take() == 1);
    CHECK(b.take() == 3);
    CHECK(b.take() == 0);
    CHECK(b.emptied() == Status::Success);
    CHECK(b.take() == 0);
}

TEST_CASE("the place in a ring stays when its page goes and another comes (Linux)", "[doorbells]")
{
    Belfry b;
    b.hang(7);
    CHECK(b.write());
    CHECK(b.take() == 7);
    b.unmask();
    write_msr(b.parent.guest, abi::msr::sirbp, 0);
    CHECK(b.write()); // rung, for nobody
    write_msr(b.parent.guest, abi::msr::sirbp, ring_page << 12 | 1);
    CHECK(b.write());
    CHECK(b.take() == 7);
    CHECK(b.take() == 0);
}

TEST_CASE("doorbell ports: every status (newest)", "[doorbells]")
{
    Belfry b;
    TestGuest const stranger{b.registry, Rights::root(), 1, b.parent.guest.partition->id()};
    CHECK(b.create(1, stranger.partition->id().value) == Status::InvalidParameter); // writes of its are not seen
    CHECK(b.create(1, self) == Status::InvalidPartitionId);
    CHECK(b.create(1, b.id, PortType::Doorbell, 0) == Status::InvalidParameter);
    CHECK(b.create(1, b.id, PortType::Doorbell, 16) == Status::InvalidParameter);
    CHECK(b.create(1, b.id, PortType::Doorbell, sint, 9) == Status::InvalidVpIndex);
    CHECK(b.create(1, b.id) == Status::Success);
    CHECK(b.create(1, b.id) == Status::InvalidPortId);
    CHECK(b.connect(1, {bell, 0, 6}) == Status::InvalidParameter);
    CHECK(b.connect(1, {bell, 0, 0}, PortType::Event) == Status::InvalidParameter);
    CHECK(b.connect(2, {bell, 0, 0}) == Status::InvalidPortId);
    CHECK(b.connect(1, {bell, 0, 0}) == Status::Success);
    CHECK(b.create(2, b.id) == Status::Success);
    CHECK(b.connect(2, {bell, 0, 0}) == Status::InvalidParameter); // the same writes
    CHECK(b.connect(2, {bell, 1, 0}) == Status::Success);
    REQUIRE(b.create(3, b.id, PortType::Event) == Status::InvalidParameter); // no flags
    CHECK(call(b.parent.guest, CallCode::ConnectPort,
               abi::ConnectPortInput{b.id, 3, 0, self, 1, 0, PortType::Doorbell, 0}) ==
          Status::InvalidPortId); // connected already

    CHECK(b.emptied(0) == Status::InvalidParameter);
    CHECK(b.emptied(16) == Status::InvalidParameter);
    CHECK(b.emptied(sint, 1) == Status::InvalidParameter);
    CHECK(b.emptied() == Status::Success);
    write_msr(b.parent.guest, abi::msr::sirbp, 0);
    CHECK(b.emptied() == Status::InvalidSynicState);
    CHECK(call(stranger, CallCode::NotifyPortRingEmpty, abi::NotifyPortRingEmptyInput{sint, 0}) ==
          Status::InvalidSynicState);
}

TEST_CASE("a doorbell is charged to both pools, and given back", "[doorbells]")
{
    Belfry const b;
    b.hang(1); // tables of IDs stay
    CHECK(b.disconnect(1) == Status::Success);
    CHECK(b.remove(1) == Status::Success);
    auto const before = b.parent.balance(b.id);
    auto const own = b.parent.guest.partition->pool().free_bytes();
    for (std::uint32_t port = 1; port <= 20; ++port)
        b.hang(port, port);
    CHECK(b.parent.balance(b.id).available < before.available);
    CHECK(b.parent.guest.partition->pool().free_bytes() < own);
    for (std::uint32_t port = 1; port <= 20; ++port) {
        CHECK(b.disconnect(port) == Status::Success);
        CHECK(b.remove(port) == Status::Success);
    }
    CHECK(b.parent.balance(b.id) == before);
    b.hang(1);
    CHECK(b.parent.finalize(b.id) == Status::Success);
    CHECK(b.remove(1) == Status::Success);
}

TEST_CASE("HvCallGetGpaPagesAccessStates (Linux, include/hyperv/hvhdk_mini.h)", "[children]")
{
    Belfry const b;
    namespace flag = abi::access_flag;
    auto const ask = [&](std::uint64_t flags, std::uint64_t base, std::uint64_t count, std::uint64_t partition) {
        auto const in = abi::GetGpaPagesAccessStatesInput{partition, flags, base};
        if (!b.parent.guest.memory.write(Gpa{place::input}, in)) return ~std::uint64_t{0};
        auto const control = static_cast<std::uint64_t>(CallCode::GetGpaPagesAccessStates) | reps(count);
        return dispatch(b.parent.guest.vp(), {{control}, place::input, place::output});
    };
    auto const state = [&](std::size_t nth) { return b.parent.guest.ram[place::output + nth]; };
    REQUIRE(status_of(b.parent.map(b.id, 5, {0xC}, abi::map_flag::readable | abi::map_flag::writable)) ==
            Status::Success);
    b.parent.host.last->dirty.insert(5);
    CHECK(ask(flag::clear_dirty, 4, 3, b.id) == abi::result(Status::Success, 3));
    CHECK(state(0) == std::byte{0});
    CHECK(state(1) == std::byte{abi::page_access::accessed | abi::page_access::dirty});
    CHECK(state(2) == std::byte{0});
    CHECK(ask(flag::set_dirty, 5, 1, b.id) == abi::result(Status::Success, 1));
    CHECK(state(0) == std::byte{abi::page_access::accessed});
    CHECK(ask(0, 5, 1, b.id) == abi::result(Status::Success, 1));
    CHECK(state(0) == std::byte{abi::page_access::accessed | abi::page_access::dirty});

    for (auto const flags :
         {std::uint64_t{16}, flag::clear_dirty | flag::set_dirty, flag::clear_accessed | flag::set_accessed})
        CHECK(ask(flags, 5, 1, b.id) == abi::result(Status::InvalidParameter, 0));
    CHECK(ask(0, GpaMap::pages, 1, b.id) == abi::result(Status::InvalidParameter, 0));
    CHECK(ask(0, GpaMap::pages - 1, 2, b.id) == abi::result(Status::InvalidParameter, 0));
    CHECK(ask(0, 5, 1, 999) == abi::result(Status::InvalidPartitionId, 0));
    CHECK(ask(0, 5, 1, self) == abi::result(Status::AccessDenied, 0));
    b.parent.host.last->has_room = false;
    CHECK(ask(0, 5, 1, b.id) == abi::result(Status::NoResources, 0));
    CHECK(b.parent.finalize(b.id) == Status::Success);
    CHECK(ask(0, 5, 1, b.id) == abi::result(Status::InvalidPartitionState, 0));
}
