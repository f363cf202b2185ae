// A guest that floods its SCSI controller: a ring of 32 MiB full of reads of 4 MiB, which a second processor keeps
// full while the first one signals without end. Whoever runs it sees whether signals, the control socket and its end
// still come through. Says "flooding" once the channel is open, and never ends by itself.
//
// The ring's pages are 48 pages again and again, so that 2,720 packets cost the guest no more memory than sixteen.
// Layouts as in Linux: include/linux/hyperv.h, drivers/scsi/storvsc_drv.c.
#include "hyperv/ports.hpp"
#include "hyperv/synic.hpp"
#include "runtime/console.hpp"
#include "runtime/cpu.hpp"
#include "runtime/hyperv.hpp"
#include "runtime/memory.hpp"

using namespace guest;
using namespace guest::hv;

namespace {

enum ChannelMessage : u32 {
    offer_channel = 1,
    request_offers = 3,
    all_offers_delivered = 4,
    open_channel = 5,
    open_channel_result = 6,
    gpadl_header = 8,
    gpadl_body = 9,
    gpadl_created = 10,
    initiate_contact = 14,
    version_response = 15,
};
constexpr u32 vmbus_message = 1;
constexpr u32 vmbus_connection = 1;
constexpr unsigned vmbus_sint = 2;
constexpr u8 vmbus_vector = 0x70;
constexpr u32 vmbus_version = 0x0004'0000;
constexpr u32 scsi_interface = 0xBA61'63D9; // the first word of its GUID
constexpr u32 patience = 60'000;            // milliseconds

constexpr u32 distinct_pages = 48;
constexpr u32 data_pages = 170 * distinct_pages;
constexpr u32 answer_pages = 5;
constexpr u32 ring_gpadl = 77;
constexpr u32 ring_bytes = data_pages * page_size;
constexpr u32 packet_pages = 3;
constexpr u32 packet_bytes = packet_pages * page_size;
constexpr u32 transfer_pages = 1024; // of one read

Page control;
Page data[distinct_pages];
Page answers[answer_pages];
Page target; ///< of all reads

/// A message that is put together word by word.
struct Message240 {
    u8 bytes[240];
    u32 size = 0;

    template <typename T>
    void put(T value)
    {
        memcpy(bytes + size, &value, sizeof value);
        size += sizeof value;
    }
};

u64 ring_page(u32 n)
{
    if (n == 0) return gpa(&control) / page_size;
    if (n <= data_pages) return gpa(&data[(n - 1) % distinct_pages]) / page_size;
    return gpa(&answers[n - 1 - data_pages]) / page_size;
}

void post(Message240 const& message)
{
    PostMessageInput input{};
    input.connection_id = vmbus_connection;
    input.message_type = vmbus_message;
    input.payload_size = message.size;
    memcpy(input.payload, message.bytes, message.size);
    while (call_with(call::post_message, input) == Status::InsufficientBuffers) {
    }
}

[[noreturn]] void fail(char const* what)
{
    print("flood: ", what, "\n");
    exit_machine(1);
}

/// The next message of the host, whose words these are.
u32 heard[60];
u32 hear()
{
    if (!wait_for_message(vmbus_sint, 0, patience)) fail("the host says nothing");
    auto const volatile& from = slot(vmbus_sint);
    for (unsigned i = 0; i < 30; ++i) {
        auto const value = from.payload[i];
        memcpy(&heard[2 * i], &value, sizeof value);
    }
    release_slot(vmbus_sint);
    return heard[0];
}

struct Channel {
    u32 id = 0;
    u32 connection = 0;
};

Channel find_controller()
{
    Message240 contact;
    contact.put(u64{initiate_contact});
    contact.put(vmbus_version);
    contact.put(u32{0}); // the VP
    for (unsigned i = 0; i < 3; ++i)
        contact.put(u64{0});
    post(contact);
    if (hear() != version_response || (heard[2] & 0xFF) != 1) fail("no VMBus of this version");

    Message240 request;
    request.put(u64{request_offers});
    post(request);
    Channel found;
    for (u32 type = hear(); type != all_offers_delivered; type = hear()) {
        if (type == offer_channel && heard[2] == scsi_interface) found = {heard[46], heard[48]};
    }
    if (found.id == 0) fail("no SCSI controller");
    return found;
}

void share_ring(u32 channel)
{
    constexpr u32 pages = 1 + data_pages + answer_pages;
    constexpr u32 in_header = 26;
    constexpr u32 in_body = 28;
    Message240 header;
    header.put(u64{gpadl_header});
    header.put(channel);
    header.put(ring_gpadl);
    header.put(static_cast<u16>(8 + 8 * pages));
    header.put(u16{1});
    header.put(u32{pages * page_size});
    header.put(u32{0});
    for (u32 i = 0; i < in_header; ++i)
        header.put(ring_page(i));
    post(header);
    for (u32 i = in_header, number = 1; i < pages; ++number) {
        Message240 body;
        body.put(u64{gpadl_body});
        body.put(number);
        body.put(ring_gpadl);
        for (u32 n = 0; n < in_body && i < pages; ++n)
            body.put(ring_page(i++));
        post(body);
    }
    if (hear() != gpadl_created || heard[4] != 0) fail("the host takes no ring of 32 MiB");
}

/// What a packet of the storage protocol says behind its operation, flags and status.
struct ScsiRequest {
    u16 length;
    u8 results[2];
    u8 place[4];
    u8 cdb_length;
    u8 sense_length;
    u8 data_in;
    u8 reserved;
    u32 transfer_bytes;
    u8 cdb[20];
};

void put_packet(u8* at, u16 type, u32 header_bytes, u32 operation, ScsiRequest const& request)
{
    u16 const descriptor[]{type, static_cast<u16>((16 + header_bytes) / 8), (packet_bytes - 8) / 8, 0};
    memcpy(at, descriptor, sizeof descriptor);
    memcpy(at + 16 + header_bytes, &operation, sizeof operation);
    memcpy(at + 16 + header_bytes + 12, &request, sizeof request);
}

void fill_ring()
{
    constexpr u16 inband = 6;
    constexpr u16 gpa_direct = 9;
    constexpr u32 execute = 3;
    constexpr u32 set_up[]{7, 9, 10, 8}; // begin, version, properties, end
    constexpr u16 protocol = 0x0602;
    for (u32 n = 0; n < distinct_pages / packet_pages; ++n) {
        auto* const packet = data[n * packet_pages].bytes;
        ScsiRequest request{};
        if (n < 4) {
            request.length = protocol;
            put_packet(packet, inband, 0, set_up[n], request);
            continue;
        }
        request.cdb_length = 10;
        request.data_in = 1;
        request.transfer_bytes = transfer_pages * page_size;
        request.cdb[0] = 0x28; // READ(10) of 8,192 blocks
        request.cdb[7] = 0x20;
        u32 const range[]{0, 1, transfer_pages * page_size, 0};
        memcpy(packet + 16, range, sizeof range);
        for (u32 i = 0; i < transfer_pages; ++i) {
            auto const page = gpa(&target) / page_size;
            memcpy(packet + 16 + sizeof range + 8 * i, &page, sizeof page);
        }
        put_packet(packet, gpa_direct, sizeof range + 8 * transfer_pages, execute, request);
    }
}

void refill(void* = nullptr)
{
    auto volatile* const words = reinterpret_cast<u32 volatile*>(control.bytes);
    words[0] = (words[1] + ring_bytes - packet_bytes) % ring_bytes;
}

} // namespace

u32 guest_main()
{
    start_cpus();
    enable_hypercalls();
    open_synic();
    set_sint(vmbus_sint, vmbus_vector, sint_masked);
    auto const channel = find_controller();
    share_ring(channel.id);
    fill_ring();
    refill();
    if (cpu_count() < 2) fail("wants two processors");
    start_on(
        1,
        [](void*) {
            for (;;)
                refill();
        },
        nullptr);

    Message240 open;
    open.put(u64{open_channel});
    open.put(channel.id);
    open.put(u32{1});
    open.put(ring_gpadl);
    open.put(u32{0}); // the VP
    open.put(u32{1 + data_pages});
    for (unsigned i = 0; i < 15; ++i)
        open.put(u64{0});
    post(open);
    if (hear() != open_channel_result || heard[4] != 0) fail("the host does not open the channel");
    print("flooding\n");
    for (;;)
        (void)signal_event(channel.connection, 0);
}
