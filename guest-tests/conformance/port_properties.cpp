// HvGetPortProperty and HvSetPortProperty, and what the preferred processor does. TLFS 2.0a 14.8.7, 14.9.4, 14.9.5.
#include "conformance/fixtures.hpp"

using namespace guest;
using namespace guest::hv;

namespace {

constexpr u32 sint = 6;
constexpr u8 vector = 0xA6;
constexpr u32 port = 0x00AB'CD30;
constexpr u32 connection = 0x0000'3234; ///< of the peer

#define NEEDS_PORTS()                                                                                                \
    NEEDS(create_port);                                                                                              \
    NEEDS(hypercall_msrs);                                                                                           \
    enable_hypercalls()

/// Both calls, about the preferred processor.
void refused(u32 id, u64 partition, Status expected)
{
    CHECK_STATUS(get_property(id, property_preferred_vp, partition).status, expected);
    CHECK_STATUS(set_property(id, property_preferred_vp, any_vp, partition).status, expected);
}

} // namespace

TEST(properties, count_of_posts, "2.0a 14.8.7, 14.9.4")
{
    NEEDS_PEER();
    set_sint(sint, vector, sint_masked);
    CHECK_STATUS(create_port(message_port_input(port, sint)), Status::Success);
    PortGuard const port_guard{port};
    auto const fresh = get_property(port, property_post_count);
    CHECK_STATUS(fresh.status, Status::Success);
    CHECK_EQ(fresh.value, 0);
    CHECK_STATUS(peer_connect(connection, port, message_port), Status::Success);
    PeerConnection const peer_guard{connection};
    CHECK_EQ(peer_post(connection, 1, buffers_per_port + 4).completed, buffers_per_port + 1);
    CHECK_EQ(get_property(port, property_post_count).value, buffers_per_port + 1);
    CHECK_STATUS(set_property(port, property_post_count, 0).status, Status::OperationDenied);
}

TEST(properties, preferred_processor_can_be_set, "2.0a 14.8.7, 14.9.5")
{
    NEEDS_PORTS();
    PortGuard const guard{port};
    CHECK_STATUS(create_port(message_port_input(port, sint, any_vp)), Status::Success);
    for (u32 vp = 0; vp < cpu_count(); ++vp) {
        note_position(vp);
        auto const answer = set_property(port, property_preferred_vp, vp);
        CHECK_STATUS(answer.status, Status::Success);
        CHECK_EQ(answer.value, vp);
        CHECK_EQ(get_property(port, property_preferred_vp).value, vp);
    }
}

TEST(properties, values_that_are_no_processor, "2.0a 14.9.5")
{
    NEEDS_PORTS();
    PortGuard const guard{port};
    CHECK_STATUS(create_port(event_port_input(port, sint, 0, 8, any_vp)), Status::Success);
    constexpr u64 values[] = {0x1000, any_vp - 1, u64{1} << 32, ~u64{0}};
    for (auto const value : values) {
        note_position(value);
        CHECK_STATUS(set_property(port, property_preferred_vp, value).status, Status::PropertyValueOutOfRange);
    }
}

TEST(properties, a_fixed_processor_stays, "2.0a 14.8.7")
{
    NEEDS_PORTS();
    PortGuard const guard{port};
    CHECK_STATUS(create_port(message_port_input(port, sint, 0)), Status::Success);
    CHECK_EQ(get_property(port, property_preferred_vp).value, 0);
    CHECK_STATUS(set_property(port, property_preferred_vp, 0).status, Status::OperationDenied);
}

TEST(properties, unknown_codes, "2.0a 14.9.4, 14.9.5")
{
    NEEDS_PORTS();
    PortGuard const guard{port};
    CHECK_STATUS(create_port(message_port_input(port, sint, any_vp)), Status::Success);
    constexpr u32 codes[] = {0x1000, 0x8000'0000, 0xFFFF'FFFF};
    for (auto const code : codes) {
        note_position(code);
        CHECK_STATUS(get_property(port, code).status, Status::UnknownProperty);
        CHECK_STATUS(set_property(port, code, 0).status, Status::UnknownProperty);
    }
}

TEST(properties, unknown_ports_and_partitions, "2.0a 14.9.4, 14.9.5")
{
    NEEDS_PORTS();
    PortGuard const guard{port};
    CHECK_STATUS(create_port(message_port_input(port, sint, any_vp)), Status::Success);
    RUN(refused(port + 1, self_partition, Status::InvalidPortId));
    RUN(refused(port | 0x0100'0000, self_partition, Status::InvalidPortId));
    RUN(refused(port, no_such_partition, Status::InvalidPartitionId));
    RUN(refused(port, root_partition, Status::AccessDenied));
    CHECK_STATUS(delete_port(port), Status::Success);
    RUN(refused(port, self_partition, Status::InvalidPortId));
}

TEST(properties, need_an_output_page, "hypercall-interface, alignment")
{
    NEEDS_PORTS();
    PortGuard const guard{port};
    CHECK_STATUS(create_port(message_port_input(port, sint, any_vp)), Status::Success);
    auto* const page = static_cast<GetPropertyInput*>(input_page());
    *page = {self_partition, port, 0, property_preferred_vp, 0};
    CHECK_STATUS(status(hypercall(call::get_port_property, gpa(page), gpa(page) + 68)), Status::InvalidAlignment);
    CHECK_STATUS(status(hypercall(call::get_port_property | fast, self_partition, port)),
                 Status::InvalidHypercallInput);
}

TEST(properties, preferred_processor_is_served_first, "2.0a 14.8.7")
{
    NEEDS_SECOND_CPU();
    NEEDS_PEER();
    set_sint(sint, vector, sint_masked);
    CHECK_STATUS(create_port(message_port_input(port, sint, any_vp)), Status::Success);
    PortGuard const port_guard{port};
    CHECK_STATUS(peer_connect(connection, port, message_port), Status::Success);
    PeerConnection const peer_guard{connection};
    static bool stop;
    static bool ready;
    stop = ready = false;
    start_on(
        1,
        [](void*) {
            Synic const there;
            set_sint(sint, vector, sint_masked);
            store(ready, true);
            (void)wait_until([] { return load(stop); }, 4 * patience_ms);
            release_slot(sint);
        },
        nullptr);
    bool const both = wait_until([] { return load(ready); });
    auto const to_second = set_property(port, property_preferred_vp, 1).status;
    auto const first_post = static_cast<Status>(peer_post(connection, 0x2222).status);
    bool const on_second = wait_until([] { return load(slot(sint, 1).type) != message_none; });
    auto const to_first = set_property(port, property_preferred_vp, 0).status;
    auto const second_post = static_cast<Status>(peer_post(connection, 0x1111).status);
    bool const on_first = wait_until([] { return load(slot(sint, 0).type) != message_none; });
    store(stop, true);
    CHECK(wait_for_task(1));
    release_slot(sint);
    CHECK(both);
    CHECK_STATUS(to_second, Status::Success);
    CHECK_STATUS(first_post, Status::Success);
    CHECK(on_second);
    CHECK_STATUS(to_first, Status::Success);
    CHECK_STATUS(second_post, Status::Success);
    CHECK(on_first);
}
