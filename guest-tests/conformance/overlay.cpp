#include "conformance/overlay.hpp"

namespace guest {

void overlay_gives_back(u32 msr, Page& page)
{
    page.fill(0x5A);
    wrmsr(msr, gpa(&page) | hv::enable_bit);
    CHECK_EQ(rdmsr(msr), gpa(&page) | hv::enable_bit);
    CHECK(!page.holds_only(0x5A));
    wrmsr(msr, 0);
    CHECK(page.holds_only(0x5A));
}

void overlay_moves(u32 msr, Page& from, Page& to)
{
    from.fill(0x5A);
    to.fill(0xA5);
    wrmsr(msr, gpa(&from) | hv::enable_bit);
    wrmsr(msr, gpa(&to) | hv::enable_bit);
    CHECK_EQ(rdmsr(msr), gpa(&to) | hv::enable_bit);
    CHECK(from.holds_only(0x5A));
    CHECK(!to.holds_only(0xA5));
    wrmsr(msr, 0);
    CHECK(to.holds_only(0xA5));
}

} // namespace guest
