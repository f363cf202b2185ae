#include "hv/vp/synthetic_timers.hpp"

#include <algorithm>
#include <string>

namespace hv {

namespace {

/// How many expirations a periodic timer may be behind and still send each of them (§15.1.4 leaves it open). A lazy
/// timer sends none of those it has missed.
constexpr std::uint64_t catch_up_periods = 8;

abi::Message expiry_message(unsigned timer, RefTime expiration, RefTime delivery)
{
    abi::Message message{};
    message.header.type = abi::MessageType::TimerExpired;
    message.header.payload_size = sizeof(abi::TimerPayload);
    message.payload[0] = timer;
    message.payload[1] = expiration.value;
    message.payload[2] = delivery.value;
    return message;
}

/// Whether an expiry has somewhere to go: SINT 0 is not permitted, nor a vector that no APIC delivers.
bool has_target(abi::StimerConfig config)
{
    return config.direct() ? config.apic_vector() >= abi::SintRegister::lowest_vector : config.sint().value != 0;
}

RefTime saturating_sum(RefTime time, std::uint64_t period)
{
    auto const sum = time.value + period;
    return RefTime{sum < period ? ~std::uint64_t{0} : sum};
}

} // namespace

SyntheticTimers::SyntheticTimers(ReferenceTime const& time, Synic& synic, VpControl& control,
                                 Acceleration* acceleration)
    : time_{time}, synic_{synic}, control_{control}, acceleration_{acceleration}
{}

/// A one-shot timer is disabled when it expires, which the hypervisor below does not tell.
std::uint64_t SyntheticTimers::config(unsigned timer) const
{
    auto const& t = timers_[timer];
    bool const over = t.is_accelerated && !acceleration_->direct_timer_runs(timer);
    return over ? t.config.word & ~abi::StimerConfig::enable_bit : t.config.word;
}

bool SyntheticTimers::set_config(unsigned timer, std::uint64_t value, bool direct_offered)
{
    abi::StimerConfig wanted{value & abi::StimerConfig::writable};
    if (wanted.direct() && !direct_offered) return false;
    if (wanted.direct() && wanted.enabled() && !has_target(wanted)) return false;
    if (!has_target(wanted)) wanted.word &= ~abi::StimerConfig::enable_bit;

    timers_[timer].config = wanted;
    start(timer);
    return true;
}

void SyntheticTimers::set_count(unsigned timer, std::uint64_t value)
{
    auto& t = timers_[timer];
    t.count = value;
    if (value == 0) {
        t.config.word &= ~abi::StimerConfig::enable_bit;
    } else if (t.config.auto_enable() && has_target(t.config)) {
        t.config.word |= abi::StimerConfig::enable_bit;
    } else {
        t.config.word = config(timer);
    }
    start(timer);
}

/// What an expiry left waiting for its slot goes with the setting that it belongs to, as in KVM: a guest that turned
/// the timer off hears no more of it.
void SyntheticTimers::start(unsigned index)
{
    auto& timer = timers_[index];
    bool const ran_here = timer.next.has_value();
    timer.next.reset();
    if (timer.message.in_use.load()) synic_.withdraw(timer.message);
    bool const runs = timer.config.enabled() && timer.count != 0;
    bool const was_accelerated = timer.is_accelerated;
    timer.is_accelerated = runs && accelerate(index);
    if (was_accelerated && !timer.is_accelerated) acceleration_->stop_direct_timer(index);
    if (runs && !timer.is_accelerated)
        timer.next = timer.config.periodic() ? saturating_sum(time_.now(), timer.count) : RefTime{timer.count};
    if (ran_here || timer.next) rearm();
}

bool SyntheticTimers::accelerate(unsigned index)
{
    auto const& timer = timers_[index];
    return acceleration_ && timer.config.direct() && !timer.config.periodic() &&
           acceleration_->start_direct_timer(index, timer.config.apic_vector(), RefTime{timer.count});
}

void SyntheticTimers::expire()
{
    armed_.reset();
    auto const now = time_.now();
    PendingInterrupts pending;
    for (unsigned i = 0; i < count; ++i) {
        if (timers_[i].next && *timers_[i].next <= now) fire(i, now, pending);
    }
    synic_.raise(pending);
    rearm();
}

/// What the hypervisor below runs is asked of it anew; this class runs it where it refuses.
void SyntheticTimers::clock_moved()
{
    for (unsigned i = 0; i < count; ++i) {
        if (!timers_[i].is_accelerated) continue;
        timers_[i].config.word = config(i);
        start(i);
    }
    armed_.reset();
    rearm();
}

void SyntheticTimers::fire(unsigned index, RefTime now, PendingInterrupts& pending)
{
    auto& timer = timers_[index];
    auto const expiration = *timer.next;
    if (timer.config.periodic()) {
        schedule_next_period(timer, now);
    } else {
        timer.next.reset();
        timer.config.word &= ~abi::StimerConfig::enable_bit;
    }

    if (timer.config.direct())
        pending.add(timer.config.apic_vector(), false);
    else
        synic_.post_own(timer.config.sint(), expiry_message(index, expiration, now), timer.message, pending);
}

void SyntheticTimers::schedule_next_period(Timer& timer, RefTime now) const
{
    auto const behind = (now.value - timer.next->value) / timer.count;
    auto const skip = timer.config.lazy() || behind > catch_up_periods ? behind : 0;
    timer.next = saturating_sum(saturating_sum(*timer.next, skip * timer.count), timer.count);
}

void SyntheticTimers::rearm()
{
    std::optional<RefTime> earliest;
    for (auto const& timer : timers_) {
        if (timer.next && (!earliest || *timer.next < *earliest)) earliest = timer.next;
    }
    if (earliest == armed_) return;
    armed_ = earliest;
    if (earliest)
        control_.arm_deadline(*earliest);
    else
        control_.disarm_deadline();
}

SyntheticTimers::Setting SyntheticTimers::setting(unsigned index) const
{
    auto const& timer = timers_[index];
    return {config(index), timer.count, timer.next.has_value(), timer.next.value_or(RefTime{}).value};
}

void SyntheticTimers::visit(StateVisitor& visitor)
{
    for (unsigned i = 0; i < count; ++i) {
        auto one = setting(i);
        hv::visit(visitor, std::to_string(i), one);
        if (visitor.restores()) restore(i, one);
    }
    if (visitor.restores()) rearm();
}

/// A one-shot timer that something accelerated there may run here, and the other way round.
void SyntheticTimers::restore(unsigned index, Setting const& setting)
{
    auto& timer = timers_[index];
    timer.config.word = setting.config & abi::StimerConfig::writable;
    timer.count = setting.count;
    if (!has_target(timer.config)) timer.config.word &= ~abi::StimerConfig::enable_bit;
    timer.next.reset();
    if (!timer.config.enabled() || timer.count == 0) return;
    timer.is_accelerated = accelerate(index);
    if (!timer.is_accelerated) timer.next = RefTime{setting.runs_here ? setting.next : timer.count};
}

} // namespace hv
