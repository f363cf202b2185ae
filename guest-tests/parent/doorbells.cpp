// What a child's writes do besides what they write: doorbells (online, HV_CONNECTION_INFO), and marks on its pages.
#include "hyperv/ports.hpp"
#include "hyperv/synic.hpp"
#include "parent/child.hpp"
#include "runtime/cpu.hpp"

using namespace guest;
using namespace guest::hv;

namespace {

constexpr u32 sint = 5;
constexpr u64 as_intercept = u64{1} << 19;
constexpr u32 synic_sint_intercept = 0x8000'0061;
constexpr u64 any_value = u64{1} << 31;
constexpr u32 ring_words = 64;
constexpr u64 bell = 0x9000; ///< in the child, whose memory ends before it

/// This processor's page of event rings.
class Rings {
  public:
    Rings()
    {
        wrmsr(msr::sirbp, gpa(&page()) | enable_bit);
        set_sint(sint, 0x60, as_intercept);
    }
    ~Rings()
    {
        page().fill(0); // the overlay
        wrmsr(msr::sirbp, 0);
    }
    Rings(Rings const&) = delete;
    Rings& operator=(Rings const&) = delete;

    /// What is next in the ring, which is taken out; 0: nothing.
    u32 take()
    {
        auto volatile* const ring = reinterpret_cast<u32 volatile*>(page().bytes) + sint * ring_words;
        auto volatile& entry = ring[1 + next_];
        auto const port = entry;
        entry = 0;
        if (port != 0) next_ = (next_ + 1) % (ring_words - 1);
        return port;
    }

  private:
    static Page& page() { return spare_page(Child::first_page + 8); }

    u32 next_ = 0;
};

Status hang(u64 child, u32 port, u64 address, u64 value, u64 flags)
{
    CreatePortInput const made{self_partition, port, 0, 0, 0, child, doorbell_port, 0, sint, any_vp, 0, 0, 0, 0};
    if (auto const status = call_with(call::create_port_vtl, made); status != Status::Success) return status;
    ConnectPortInput const input{child, port, 0, self_partition, port, 0, {doorbell_port, address, value, flags}, 0};
    return call_with(call::connect_port_vtl, input);
}

} // namespace

TEST(doorbells, a_write_rings_and_the_child_goes_on, "online, HV_CONNECTION_INFO; Linux, mshv_synic.c")
{
    NEEDS_RUNNING_CHILDREN();
    NEEDS(create_port);
    NEEDS(connect_port);
    Rings rings;
    Child const child;
    static constexpr u8 code[] = {
        0xB0, 0x11,       // mov al, 0x11
        0xA2, 0x00, 0x90, // mov [0x9000], al: not the value
        0xB0, 0x5A,       // mov al, 0x5A
        0xA2, 0x00, 0x90, // mov [0x9000], al
        0xA3, 0x10, 0x90, // mov [0x9010], ax
        0xE6, 0x80,       // out 0x80, al
    };
    CHECK(child.load(code));
    CHECK_STATUS(hang(child.id(), 3, bell, 0x5A, 1), Status::Success);
    CHECK_STATUS(hang(child.id(), 4, bell + 0x10, 0, any_value), Status::Success);
    CHECK_STATUS(hang(child.id(), 5, bell, 0, 7), Status::InvalidParameter);
    CHECK(child.run());
    auto const told = next_intercept();
    CHECK_EQ(told.type, message::unmapped_gpa);
    CHECK_EQ(told.as<MemoryMessage>().gpa, bell);
    CHECK_EQ(rings.take(), 0);
    CHECK(child.resume_at(page_size + 5));

    // The message of the ring, and behind it that of the port; the ring may have been seen empty between.
    auto next = next_intercept();
    CHECK_EQ(next.type, synic_sint_intercept);
    CHECK_EQ(next.payload[0] & 0xFFFF'FFFF, sint);
    next = next_intercept();
    CHECK_EQ(next.type, message::io_port);
    CHECK_EQ(next.as<IoPortMessage>().header.rip, page_size + 13);
    CHECK_EQ(rings.take(), 3);
    CHECK_EQ(rings.take(), 4);
    CHECK_EQ(rings.take(), 0);
    CHECK_STATUS(call_with(call::notify_port_ring_empty, u64{sint}), Status::Success);
    CHECK_STATUS(call_with(call::notify_port_ring_empty, u64{16}), Status::InvalidParameter);
    for (u32 port = 3; port <= 5; ++port) {
        CHECK_STATUS(disconnect_port(port, child.id()), port == 5 ? Status::InvalidConnectionId : Status::Success);
        CHECK_STATUS(delete_port(port), Status::Success);
    }
}

TEST(doorbells, pages_that_a_child_has_written_to, "Linux, hvhdk_mini.h")
{
    NEEDS_RUNNING_CHILDREN();
    Child const child;
    static constexpr u8 code[] = {
        0xA2, 0x00, 0x20, // mov [0x2000], al
        0xE6, 0x80,       // out 0x80, al
        0xA2, 0x00, 0x30, // mov [0x3000], al
        0xE6, 0x80,       // out 0x80, al
    };
    CHECK(child.load(code));
    CHECK_STATUS(status(child.map(2, Child::first_page + 1, 2)), Status::Success);
    struct {
        u64 partition, flags, base;
    } const input{child.id(), 4, 1}; // and none is dirty any more
    auto const states = [&] {
        ListCall const call{input};
        return status(hypercall(call::get_gpa_pages_access_states | rep_count(4), gpa(&ListCall::page()),
                                gpa(&ListCall::output())));
    };
    CHECK(child.run());
    CHECK_EQ(next_intercept().type, message::io_port);
    CHECK_STATUS(states(), Status::Success);
    CHECK_EQ(ListCall::out<u32>(0), 0x0003'0303); // all may have been written to; the fourth is not there
    CHECK(child.resume_at(page_size + 5));
    CHECK_EQ(next_intercept().type, message::io_port);
    CHECK_STATUS(states(), Status::Success);
    CHECK_EQ(ListCall::out<u32>(0), 0x0003'0101);
    CHECK_STATUS(states(), Status::Success);
    CHECK_EQ(ListCall::out<u32>(0), 0x0001'0101);
}
