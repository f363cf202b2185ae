// What a parent sees of its child's address spaces, and what it puts in place of the child's processor's.
#include "hyperv/synic.hpp"
#include "parent/child.hpp"

using namespace guest;
using namespace guest::hv;

namespace {

constexpr u64 any_access = 7;

template <typename Input>
Status with_output(u64 code, Input const& input)
{
    ListCall const call{input};
    return status(hypercall(code, gpa(&ListCall::page()), gpa(&ListCall::output())));
}

struct Translated {
    Status status;
    u32 code, attributes;
    u64 page;
};

Translated translate(Child const& child, u64 flags, u64 page)
{
    struct {
        u64 partition, vp, flags, page;
    } const input{child.id(), 0, flags, page};
    auto const made = with_output(call::translate_virtual_address, input);
    auto const result = ListCall::out<u64>(0);
    return {made, static_cast<u32>(result), static_cast<u32>(result >> 32), ListCall::out<u64>(1)};
}

struct Access {
    u64 partition;
    u32 vp, size;
    u64 gpa, flags;
};
constexpr u64 write_back = 6;

constexpr u32 cpuid_type = 2;
constexpr u32 msr_type = 1;

Status install_msrs(Child const& child, u32 access)
{
    struct {
        u64 partition;
        u32 access, type;
        u64 parameter;
    } const input{child.id(), access, msr_type, 0};
    return call_with(call::install_intercept, input);
}

Status register_leaf(Child const& child, u32 function, u32 ebx)
{
    struct {
        u64 partition;
        u32 vp, type;
        u32 name[3];
        u32 eax[2], ebx[2], ecx[2], edx[2];
        u32 padding;
    } const input{child.id(), 0, cpuid_type, {function, 0, 0x100}, {}, {ebx, ~0u}, {}, {}, 0};
    return call_with(call::register_intercept_result, input);
}

constexpr u32 apic_state = 0x8000'0000;
constexpr u32 xsave_state = 0x8000'0001;

/// Into the spare pages from `first` on, or out of them.
Status state(u64 code, Child const& child, u32 type, u64 components, u32 first, u32 pages)
{
    struct {
        u64 partition;
        u32 vp, vtl, type, reserved;
        u64 flags, components;
    } const header{child.id(), 0, 0, type, 0, 0, components};
    ListCall call{header};
    for (u32 i = 0; i < pages; ++i)
        call.add(gpa(&spare_page(first + i)) / page_size);
    return status(hypercall(code | variable_header(pages), gpa(&ListCall::page()), gpa(&ListCall::output())));
}

} // namespace

TEST(looking, translation, "2.0a 12.4.4")
{
    NEEDS_RUNNING_CHILDREN();
    Child const child;
    static constexpr u8 code[] = {0xF4}; // hlt
    CHECK(child.load(code));
    auto const real = translate(child, any_access, 0x12);
    CHECK_STATUS(real.status, Status::Success);
    CHECK_EQ(real.code, 0);
    CHECK_EQ(real.page, 0x12);
    CHECK_STATUS(translate(child, 0, 0x12).status, Status::InvalidParameter);

    auto& directory = spare_page(Child::first_page + 1); // at the child's page 2, and a table at 3
    auto& table = spare_page(Child::first_page + 2);
    directory.fill(0);
    table.fill(0);
    u32 const to_table = 0x3007;
    u32 const entry = 0x7'7005; // not to be written to
    memcpy(directory.bytes, &to_table, sizeof to_table);
    memcpy(table.bytes + 5 * sizeof entry, &entry, sizeof entry);
    CHECK_STATUS(status(child.map(2, Child::first_page + 1, 2)), Status::Success);
    CHECK_STATUS(child.set(reg::cr3, 2 * page_size), Status::Success);
    CHECK_STATUS(child.set(reg::cr0, 0x8001'0011), Status::Success);
    if ((child.get(reg::cr0) >> 31 & 1) == 0) SKIP("this KVM does not let real mode have page tables");
    auto const found = translate(child, 1 | 0x10, 5);
    CHECK_EQ(found.code, 0);
    CHECK_EQ(found.page, 0x77);
    CHECK_EQ(table.bytes[20], 0x25); // accessed
    CHECK_EQ(directory.bytes[0], 0x27);
    CHECK_EQ(translate(child, 2, 5).code, 2);
    CHECK_EQ(translate(child, 1, 6).code, 1);
}

TEST(looking, memory, "2.0a 12.4.5, 12.4.6")
{
    NEEDS_RUNNING_CHILDREN();
    Child const child;
    static constexpr u8 code[] = {1, 2, 3, 4, 5, 6, 7, 8};
    CHECK(child.load(code));
    Access in{child.id(), 0, 5, start + 1, write_back};
    CHECK_STATUS(with_output(call::read_gpa, in), Status::Success);
    CHECK_EQ(ListCall::out<u64>(0), 0);
    CHECK_EQ(ListCall::out<u64>(1), 0x06'0504'0302);
    CHECK_EQ(ListCall::out<u64>(2), 0);
    in.size = 0;
    CHECK_STATUS(with_output(call::read_gpa, in), Status::InvalidParameter);
    struct {
        Access where;
        u64 data[2];
    } out{{child.id(), 0, 3, start + 2, write_back}, {0xCC'BBAA, 0}};
    CHECK_STATUS(with_output(call::write_gpa, out), Status::Success);
    CHECK_EQ(ListCall::out<u64>(0), 0);
    CHECK_EQ(spare_page(Child::first_page).bytes[1], 2);
    CHECK_EQ(spare_page(Child::first_page).bytes[2], 0xAA);
    CHECK_EQ(spare_page(Child::first_page).bytes[4], 0xCC);
    CHECK_EQ(spare_page(Child::first_page).bytes[5], 6);
    out.where.gpa = 8 * page_size;
    CHECK_STATUS(with_output(call::write_gpa, out), Status::Success);
    CHECK_EQ(ListCall::out<u64>(0), 1); // unmapped
}

TEST(looking, msrs_that_there_are_not, "2.0a 9.1.1, 16.5.2; newest")
{
    NEEDS_RUNNING_CHILDREN();
    Child const child;
    static constexpr u8 code[] = {
        0x66, 0xB9, 0x21, 0x43, 0x65, 0x05, // mov ecx, 0x05654321
        0x0F, 0x32,                         // rdmsr
        0x0F, 0x30,                         // wrmsr
        0x66, 0x0F, 0x32,                   // rdmsr, with a prefix
        0x66, 0xE7, 0x80,                   // out 0x80, eax
    };
    CHECK(child.load(code));
    CHECK_STATUS(install_msrs(child, 4), Status::InvalidParameter);
    CHECK_STATUS(install_msrs(child, 3), Status::Success);
    CHECK_STATUS(child.set(reg::rax, 0x1111), Status::Success);
    CHECK(child.run());
    auto const read = next_intercept();
    CHECK_EQ(read.type, message::msr);
    CHECK_EQ(read.payload_size, sizeof(MsrMessage));
    auto const first = read.as<MsrMessage>();
    CHECK_EQ(first.msr, 0x0565'4321);
    CHECK_EQ(first.header.access, 0);
    CHECK_EQ(first.header.rip, start + 6);
    CHECK_EQ(first.header.length(), 2);
    CHECK_EQ(child.get(reg::rip), start + 6);
    CHECK_EQ(child.get(reg::rax), 0x1111); // as before the instruction
    CHECK_STATUS(child.set(reg::rax, 0x1234), Status::Success);
    CHECK_STATUS(child.set(reg::rax + 2, 0x5678), Status::Success);
    CHECK(child.resume_at(start + 8));

    auto const write = next_intercept().as<MsrMessage>();
    CHECK_EQ(write.header.rip, start + 8);
    CHECK_EQ(write.header.access, 1);
    CHECK_EQ(write.rax, 0x1234);
    CHECK_EQ(write.rdx, 0x5678);
    CHECK_STATUS(set_partition_property(child.id(), 0x0005'0017, 1), Status::Success);
    CHECK_STATUS(install_msrs(child, 0), Status::Success);
    CHECK(child.resume()); // executed again: ignored now
    auto const out = next_intercept().as<IoPortMessage>();
    CHECK_EQ(out.port, 0x80);
    CHECK_EQ(out.rax, 0);
}

TEST(looking, cpuid_as_registered, "online, HvCallRegisterInterceptResult")
{
    NEEDS_RUNNING_CHILDREN();
    Child const child;
    static constexpr u8 code[] = {
        0x66, 0xB8, 0x00, 0x01, 0x00, 0x40, // mov eax, 0x40000100
        0x0F, 0xA2,                         // cpuid
        0x66, 0x89, 0xD8,                   // mov eax, ebx
        0x66, 0xE7, 0x80,                   // out 0x80, eax
    };
    CHECK(child.load(code));
    CHECK_STATUS(register_leaf(child, 0x4000'0100, 0xABCD'1234), Status::Success);
    CHECK(child.run());
    CHECK_EQ(next_intercept().as<IoPortMessage>().rax, 0xABCD'1234);
    CHECK_STATUS(register_leaf(child, 0x4000'0100, 0xABCD'1234), Status::Success); // the same again
    struct {
        u64 partition;
        u32 vp, flags;
        u64 reserved;
    } const header{child.id(), 0, 2, 0};
    ListCall list{header};
    struct {
        u32 function, index;
        u64 xfem, xss;
    } const leaf{0x4000'0100, 0, 0, 0};
    list.add(leaf);
    auto const result = list.reps(call::get_vp_cpuid_values);
    CHECK_STATUS(status(result), Status::Success);
    CHECK_EQ(ListCall::out<u32>(1), 0xABCD'1234);
}

TEST(looking, frozen_time, "online, partition properties")
{
    NEEDS_RUNNING_CHILDREN();
    constexpr u32 time_freeze = 0x0003'0003;
    Child const child;
    static constexpr u8 code[] = {0xE6, 0x80}; // out 0x80, al
    CHECK(child.load(code));
    CHECK_STATUS(set_partition_property(child.id(), time_freeze, 1), Status::Success);
    CHECK(child.run());
    CHECK(no_intercept());
    CHECK_STATUS(set_partition_property(child.id(), time_freeze, 0), Status::Success);
    CHECK_EQ(next_intercept().as<IoPortMessage>().port, 0x80);
}

TEST(looking, state_of_a_local_apic, "Linux, hvhdk.h")
{
    NEEDS_RUNNING_CHILDREN();
    constexpr u32 lint0 = 35; // words into the state
    auto const page = Child::first_page + 1;
    Child const child{creation::exo | creation::local_apic};
    static constexpr u8 code[] = {0xF4}; // hlt
    CHECK(child.load(code));
    spare_page(page).fill(0xEE);
    CHECK_STATUS(state(call::get_vp_state, child, apic_state, 0, page, 1), Status::Success);
    u32 words[44];
    memcpy(words, spare_page(page).bytes, sizeof words);
    CHECK_EQ(words[0], 0); // its ID
    CHECK_EQ(spare_page(page).bytes[4095], 0);
    words[lint0] = (words[lint0] & ~0x700u) | 0x700;
    memcpy(spare_page(page).bytes, words, sizeof words);
    CHECK_STATUS(state(call::set_vp_state, child, apic_state, 0, page, 1), Status::Success);
    spare_page(page).fill(0);
    CHECK_STATUS(state(call::get_vp_state, child, apic_state, 0, page, 1), Status::Success);
    u32 again[44];
    memcpy(again, spare_page(page).bytes, sizeof again);
    CHECK_EQ(again[lint0], words[lint0]);
    CHECK_STATUS(state(call::get_vp_state, child, apic_state, 0, page, 0), Status::InvalidParameter);
    CHECK_STATUS(state(call::get_vp_state, child, 5, 0, page, 1), Status::InvalidParameter);
}

TEST(looking, state_of_xsave, "Linux, hvhdk.h")
{
    NEEDS_RUNNING_CHILDREN();
    auto const page = Child::first_page + 1;
    Child const child;
    static constexpr u8 code[] = {0xF4}; // hlt
    CHECK(child.load(code));
    CHECK_STATUS(set_register(0, reg::xmm0, {0x1111'2222, 0x3333}, child.id()), Status::Success);
    CHECK_STATUS(state(call::get_vp_state, child, xsave_state, 3, page, 1), Status::Success);
    u64 words[72];
    memcpy(words, spare_page(page).bytes, sizeof words);
    CHECK_EQ(words[20], 0x1111'2222); // XMM0
    CHECK_EQ(words[65], u64{1} << 63 | 3);
    words[20] = 0x4444;
    memcpy(spare_page(page).bytes, words, sizeof words);
    CHECK_STATUS(state(call::set_vp_state, child, xsave_state, 3, page, 1), Status::Success);
    CHECK_EQ(child.get(reg::xmm0), 0x4444);
    words[65] = 1; // malformed
    memcpy(spare_page(page).bytes, words, sizeof words);
    CHECK_STATUS(state(call::set_vp_state, child, xsave_state, 3, page, 1), Status::InvalidParameter);
}
