// The register page: where a parent finds registers of a suspended VP, and changes them, without a call.
#include "hyperv/synic.hpp"
#include "parent/child.hpp"

using namespace guest;
using namespace guest::hv;

namespace {

namespace dirty {
constexpr u32 general = 1 << 0, rip = 1 << 1, xmm = 1 << 2, segments = 1 << 3, rflags = 1 << 4;
} // namespace dirty

/// Linux, hvhdk.h (hv_vp_register_page).
struct Registers {
    u16 version;
    u8 is_valid, reserved0;
    u32 dirty;
    u64 general[16]; ///< in the order of instruction encodings
    u64 rip, rflags, reserved1;
    u64 xmm[6][2];
    u64 segments[6][2]; ///< ES, CS, SS, DS, FS, GS
    u64 cr0, cr3, cr4, cr8, efer, dr7, pending_interruption, interrupt_state, hints, xfem;
};
static_assert(sizeof(Registers) == 432);

constexpr u32 rcx = 1;

/// Shows VP 0's in a spare page, until it goes out of scope.
class Shown {
  public:
    explicit Shown(Child const& child) : child_{child}
    {
        page_.fill(0x77);
        MapStatePageInput const input{child.id(), 0, 0, 0, 1, gpa(&page_) / page_size};
        ListCall const call{input};
        status_ = hv::status(hypercall(call::map_vp_state_page, gpa(&ListCall::page()), gpa(&ListCall::output())));
    }
    ~Shown() { (void)hide(); }
    Shown(Shown const&) = delete;
    Shown& operator=(Shown const&) = delete;

    [[nodiscard]] Status status() const { return status_; }
    [[nodiscard]] Page& page() const { return page_; }
    Registers volatile* operator->() const { return reinterpret_cast<Registers volatile*>(page_.bytes); }
    [[nodiscard]] Status hide() const
    {
        struct {
            u64 partition, vp_and_type;
        } const input{child_.id(), 0};
        return call_with(call::unmap_vp_state_page, input);
    }

  private:
    Child const& child_;
    Page& page_ = spare_page(Child::first_page + 2);
    Status status_;
};

constexpr u8 two_outs[] = {
    0xB9, 0x34, 0x12, // mov cx, 0x1234
    0xB0, 0x5A,       // mov al, 0x5A
    0xE6, 0x80,       // out 0x80, al
    0x88, 0xC8,       // mov al, cl
    0xE6, 0x81,       // out 0x81, al
    0xEB, 0xFE,       // jmp $
};

} // namespace

TEST(register_page, is_an_overlay_that_begins_with_none, "online, HvCallMapVpStatePage; 2.0a 8.1.3")
{
    NEEDS_RUNNING_CHILDREN();
    Child const child;
    CHECK_STATUS(child.create_vp(0), Status::Success);
    Shown const shown{child};
    CHECK_STATUS(shown.status(), Status::Success);
    CHECK(shown.page().holds_only(0));
    CHECK_STATUS(Shown{child}.status(), Status::InvalidVpState); // which hides it
    CHECK(shown.page().holds_only(0x77));
    CHECK_STATUS(shown.hide(), Status::InvalidVpState);
}

TEST(register_page, shows_an_intercepted_vps, "Linux, hvhdk.h; 2.0a 9.1.1")
{
    NEEDS_RUNNING_CHILDREN();
    Child const child;
    CHECK(child.load(two_outs));
    Shown const shown{child};
    CHECK_STATUS(shown.status(), Status::Success);
    CHECK(child.run());
    CHECK_EQ(next_intercept().type, message::io_port);
    CHECK_EQ(shown->version, 1);
    CHECK_EQ(shown->is_valid, 1);
    CHECK_EQ(shown->dirty, 0);
    CHECK_EQ(shown->general[0] & 0xFF, 0x5A);
    CHECK_EQ(shown->general[rcx] & 0xFFFF, 0x1234);
    CHECK_EQ(shown->rip, start + 5); // as before the instruction
    CHECK_EQ(shown->rflags, child.get(reg::rflags));
    CHECK_EQ(shown->segments[1][0], 0);
    CHECK_EQ(shown->cr0, child.get(reg::cr0));
    CHECK_EQ(shown->efer, child.get(reg::efer));
    CHECK_EQ(shown->dr7, child.get(reg::dr7));
}

TEST(register_page, what_a_parent_changes_is_what_the_vp_goes_on_with, "Linux, hvhdk.h")
{
    NEEDS_RUNNING_CHILDREN();
    Child const child;
    CHECK(child.load(two_outs));
    Shown const shown{child};
    CHECK(child.run());
    CHECK_EQ(next_intercept().type, message::io_port);
    shown->rip = start + 7;
    shown->general[rcx] = 0x77;
    shown->dirty = dirty::general | dirty::rip;
    CHECK(child.resume());
    auto const second = next_intercept().as<IoPortMessage>();
    CHECK_EQ(second.port, 0x81);
    CHECK_EQ(second.rax & 0xFF, 0x77);
    CHECK_EQ(shown->rip, start + 9);
    shown->rip = start + 11; // of no class that is named
    shown->general[rcx] = 0x78;
    shown->dirty = dirty::general;
    CHECK(child.resume());
    CHECK_EQ(next_intercept().as<IoPortMessage>().header.rip, start + 9);
    CHECK_EQ(shown->general[rcx], 0x78);
}

TEST(register_page, calls_and_it_see_the_same, "2.0a 10.2.2; Linux, hvhdk.h")
{
    NEEDS_RUNNING_CHILDREN();
    Child const child;
    CHECK(child.load(two_outs));
    Shown const shown{child};
    CHECK_STATUS(child.set(reg::rax, 0x1111), Status::Success);
    CHECK_EQ(shown->is_valid, 1); // it is suspended
    CHECK_EQ(shown->general[0], 0x1111);
    CHECK_EQ(shown->rip, start);
    shown->general[rcx] = 0x2222;
    shown->xmm[1][0] = 0x3333;
    shown->xmm[1][1] = 0x4444;
    shown->segments[0][0] = 0x5550; // ES
    shown->rflags = shown->rflags | 1;
    shown->dirty = dirty::general | dirty::xmm | dirty::segments | dirty::rflags;
    CHECK_EQ(child.get(reg::rcx), 0x2222);
    CHECK_EQ(shown->dirty, 0);
    CHECK_EQ(child.get(reg::xmm0 + 1), 0x3333);
    CHECK_EQ(child.get(reg::es), 0x5550);
    CHECK_EQ(child.get(reg::rflags) & 1, 1);
    shown->general[rcx] = 0x6666;
    shown->dirty = dirty::general;
    CHECK_STATUS(child.set(reg::rcx, 0x7777), Status::Success); // later than the page
    CHECK_EQ(shown->general[rcx], 0x7777);
    shown->cr0 = 0x8888; // for reading only
    shown->dirty = ~0u;
    auto const cr0 = child.get(reg::cr0);
    CHECK(cr0 != 0x8888);
    CHECK_EQ(shown->cr0, cr0);
}

TEST(register_page, a_value_that_cannot_be_is_refused_until_it_is_mended, "2.0a 10.1.2")
{
    NEEDS_RUNNING_CHILDREN();
    Child const child;
    CHECK(child.load(two_outs));
    Shown const shown{child};
    CHECK(child.run());
    CHECK_EQ(next_intercept().type, message::io_port);
    auto const before = shown->rflags;
    shown->rflags = u64{1} << 63;
    shown->rip = start + 7;
    shown->dirty = dirty::rflags | dirty::rip;
    CHECK_STATUS(child.set(reg::intercept_suspend, 0), Status::InvalidRegisterValue);
    CHECK_STATUS(child.set(reg::intercept_suspend, 0), Status::InvalidRegisterValue);
    CHECK(no_intercept());
    shown->rflags = before;
    CHECK(child.resume());
    CHECK_EQ(next_intercept().as<IoPortMessage>().port, 0x81);
}

TEST(register_page, holds_none_while_the_vp_executes, "Linux, hvhdk.h")
{
    NEEDS_RUNNING_CHILDREN();
    Child const child;
    CHECK(child.load(two_outs));
    Shown const shown{child};
    CHECK(child.run());
    CHECK_EQ(next_intercept().type, message::io_port);
    CHECK(child.resume_at(start + 11));
    CHECK_EQ(shown->is_valid, 0);
    shown->general[rcx] = 1;
    shown->dirty = dirty::general; // of nothing
    CHECK_STATUS(child.set(reg::explicit_suspend, 1), Status::Success);
    CHECK_EQ(shown->is_valid, 1);
    CHECK_EQ(shown->dirty, 0);
    CHECK_EQ(shown->general[rcx] & 0xFFFF, 0x1234);
    CHECK_EQ(shown->rip, start + 11);
}
