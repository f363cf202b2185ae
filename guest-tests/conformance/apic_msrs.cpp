// The local APIC by synthetic MSRs, and the EOI assist in the VP assist page. That they are not there unless they are
// offered, msr_map has.
#include "runtime/apic.hpp"
#include "runtime/clock.hpp"
#include "runtime/hyperv.hpp"
#include "runtime/memory.hpp"
#include "runtime/test.hpp"
#include "runtime/traps.hpp"

using namespace guest;
using namespace guest::hv;

namespace {

constexpr u8 vector = 0x65;
constexpr u32 rounds = 20;
constexpr u32 no_eoi_required = 1;

Page assist_page;
u32 volatile spared;

void end_by_msr()
{
    wrmsr(msr::eoi, 0);
}

/// As 6.0b 10.3.5 has it, but for the sense of its sentence: its code writes the MSR where the bit was clear.
void end_as_assisted()
{
    auto* const assist = reinterpret_cast<u32*>(&assist_page);
    if (__atomic_exchange_n(assist, 0, __ATOMIC_SEQ_CST) & no_eoi_required)
        spared = spared + 1;
    else
        end_by_msr();
}

/// For its lifetime the handler ends the vector's interrupts.
class EndedBy {
  public:
    explicit EndedBy(InterruptHandler handler)
    {
        set_auto_eoi(vector, true);
        on_interrupt(vector, handler);
    }
    ~EndedBy()
    {
        on_interrupt(vector, nullptr);
        set_auto_eoi(vector, false);
    }
    EndedBy(EndedBy const&) = delete;
    EndedBy& operator=(EndedBy const&) = delete;
};

u64 icr_to(u64 apic_id)
{
    return apic_id << 56 | vector;
}

} // namespace

TEST(apic_msrs, eoi_lets_the_next_interrupt_in, "6.0b 10.2.3.1")
{
    NEEDS(apic_msrs);
    EndedBy const ended{end_by_msr};
    auto const before = interrupt_count(vector);
    for (u32 i = 1; i <= rounds; ++i) {
        note_position(i);
        apic::send_interrupt(0, vector);
        CHECK(wait_until([&] { return interrupt_count(vector) == before + i; }));
        CHECK(!apic::is_in_service(vector));
    }
}

TEST(apic_msrs, eoi_is_write_only, "6.0b 10.2.3.1")
{
    NEEDS(apic_msrs);
    CHECK(!try_rdmsr(msr::eoi).ok);
    CHECK_EQ(this_cpu().fault.vector, general_protection);
}

TEST(apic_msrs, tpr_is_that_of_the_apic, "6.0b 10.2.3.3")
{
    NEEDS(apic_msrs);
    constexpr u32 above = 0x70;
    auto const before = interrupt_count(vector);
    wrmsr(msr::tpr, above);
    auto const shown = apic::reg(apic::task_priority);
    apic::send_interrupt(0, vector);
    auto const waits = wait_until([] { return apic::is_requested(vector); });
    auto const early = interrupt_count(vector) - before;
    apic::reg(apic::task_priority) = 0;
    auto const taken = wait_until([&] { return interrupt_count(vector) == before + 1; });
    CHECK_EQ(shown, above);
    CHECK(waits);
    CHECK_EQ(early, 0);
    CHECK(taken);
    CHECK_EQ(rdmsr(msr::tpr), 0);
}

TEST(apic_msrs, icr_sends_to_itself_and_to_others, "6.0b 10.2.3.2")
{
    NEEDS(apic_msrs);
    for (unsigned i = 0; i < cpu_count(); ++i) {
        note_position(i);
        auto const before = interrupt_count(vector, i);
        wrmsr(msr::icr, icr_to(i));
        CHECK(wait_until([&] { return interrupt_count(vector, i) == before + 1; }));
    }
    CHECK_EQ(rdmsr(msr::icr) & 0xFF, vector);
}

TEST(apic_msrs, the_assist_page_spares_eois, "6.0b 10.3.5")
{
    NEEDS(apic_msrs);
    SKIP_UNLESS(try_rdmsr(msr::vp_assist_page).ok, "VP_ASSIST_PAGE raises #GP");
    EndedBy const ended{end_as_assisted};
    auto const before = interrupt_count(vector);
    spared = 0;
    wrmsr(msr::vp_assist_page, reinterpret_cast<u64>(&assist_page) | enable_bit);
    bool all = true;
    for (u32 i = 1; all && i <= rounds; ++i) {
        apic::send_interrupt(0, vector);
        all = wait_until([&] { return interrupt_count(vector) == before + i; });
    }
    wrmsr(msr::vp_assist_page, 0);
    // Without the page all are ended by the MSR.
    auto const with_page = spared;
    apic::send_interrupt(0, vector);
    CHECK(all);
    CHECK(wait_until([&] { return interrupt_count(vector) == before + rounds + 1; }));
    CHECK_EQ(spared, with_page);
    SKIP_UNLESS(with_page > 0, "no interrupt was marked as one that needs no EOI");
}
