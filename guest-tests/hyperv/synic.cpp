#include "hyperv/synic.hpp"

#include "runtime/hyperv.hpp"

namespace guest {

namespace {

Page message_pages[GUEST_MAX_CPUS];
Page event_pages[GUEST_MAX_CPUS];

u64 volatile& event_word(unsigned sint, unsigned flag, unsigned processor)
{
    auto* const page = reinterpret_cast<u64 volatile*>(event_pages[processor].bytes);
    return page[sint * 32 + flag / 64];
}

void put_back_on_this_cpu()
{
    using namespace hv;
    if (offered(feature::timers)) {
        for (u32 i = 0; i < timer_count; ++i) {
            wrmsr(msr::stimer0_config + 2 * i, 0);
            wrmsr(msr::stimer0_count + 2 * i, 0);
        }
    }
    if (offered(feature::synic)) {
        for (unsigned sint = 0; sint < sint_count; ++sint)
            mask_sint(sint);
        wrmsr(msr::simp, 0);
        wrmsr(msr::siefp, 0);
        wrmsr(msr::scontrol, 0);
    }
}

} // namespace

void open_synic()
{
    auto const self = this_cpu().index;
    wrmsr(hv::msr::simp, gpa(&message_pages[self]) | hv::enable_bit);
    wrmsr(hv::msr::siefp, gpa(&event_pages[self]) | hv::enable_bit);
    message_pages[self].fill(0);
    event_pages[self].fill(0);
    wrmsr(hv::msr::scontrol, hv::enable_bit);
}

Synic::Synic()
{
    open_synic();
}

Synic::~Synic()
{
    put_back_on_this_cpu();
}

void set_sint(unsigned sint, u8 vector, u64 flags)
{
    set_auto_eoi(vector, flags & hv::sint_auto_eoi);
    wrmsr(hv::msr::sint0 + sint, vector | flags);
}

void mask_sint(unsigned sint)
{
    wrmsr(hv::msr::sint0 + sint, hv::sint_reset_value);
}

Message volatile& slot(unsigned sint, unsigned processor)
{
    return reinterpret_cast<Message volatile*>(message_pages[processor].bytes)[sint];
}

bool event_flag(unsigned sint, unsigned flag, unsigned processor)
{
    return load(event_word(sint, flag, processor)) >> (flag % 64) & 1;
}

bool take_event_flag(unsigned sint, unsigned flag, unsigned processor)
{
    auto const bit = u64{1} << (flag % 64);
    return __atomic_fetch_and(&event_word(sint, flag, processor), ~bit, __ATOMIC_ACQ_REL) & bit;
}

void clear_event_flags(unsigned sint, unsigned processor)
{
    for (unsigned flag = 0; flag < 2048; flag += 64)
        store(event_word(sint, flag, processor), u64{0});
}

bool wait_for_message(unsigned sint, unsigned processor, u32 milliseconds)
{
    return wait_until([&] { return load(slot(sint, processor).type) != message_none; }, milliseconds);
}

void release_slot(unsigned sint)
{
    store(slot(sint, this_cpu().index).type, message_none);
    __atomic_thread_fence(__ATOMIC_SEQ_CST); // the flag is looked at only after the slot is seen empty
    if (load(slot(sint, this_cpu().index).flags) & message_pending) wrmsr(hv::msr::eom, 0);
}

void put_back_synthetic_state()
{
    if (!hv::present()) return;
    put_back_on_this_cpu();
    for (unsigned i = 1; i < cpu_count(); ++i)
        (void)run_on(i, [] { put_back_on_this_cpu(); });
    if (hv::offered(hv::feature::reference_tsc)) wrmsr(hv::msr::reference_tsc, 0);
}

} // namespace guest
