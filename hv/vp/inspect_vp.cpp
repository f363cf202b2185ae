#include "hv/vp/virtual_processor.hpp"

#include <string>

namespace hv {

void VirtualProcessor::inspect(Inspector& inspector)
{
    inspector.number("runtime_100ns", control_.runtime_100ns());
    if (assist().word != 0) inspector.hex("assist_page", assist().word);
    control_.inspect(inspector);
    {
        InspectedNode const node{inspector, "synic"};
        synic_.inspect(inspector);
    }
    InspectedNode const node{inspector, "timers"};
    timers_.inspect(inspector);
}

/// Counts and copies under the lock, tells without it.
void Synic::inspect(Inspector& inspector)
{
    std::array<std::uint64_t, 4> pages{};
    std::array<abi::SintRegister, sint_count> sints{};
    std::array<std::size_t, sint_count> queued{};
    {
        std::lock_guard const guard{lock_};
        pages = {scontrol(), simp_.word, siefp_.word, sirbp_.word};
        sints = sints_;
        for (std::size_t i = 0; i < sint_count; ++i)
            queued[i] = queues_[i].size();
    }
    inspector.flag("enabled", (pages[0] & 1) != 0);
    inspector.hex("simp", pages[1]);
    inspector.hex("siefp", pages[2]);
    if (pages[3] != 0) inspector.hex("sirbp", pages[3]);
    for (std::size_t i = 0; i < sint_count; ++i) {
        if (sints[i].word == abi::SintRegister::reset_value && queued[i] == 0) continue;
        InspectedNode const node{inspector, "sint " + std::to_string(i)};
        inspector.number("vector", sints[i].vector());
        inspector.flag("masked", sints[i].masked());
        if (sints[i].auto_eoi()) inspector.flag("auto_eoi", true);
        if (sints[i].polling()) inspector.flag("polling", true);
        inspector.number("messages_waiting", queued[i]);
    }
}

void SyntheticTimers::inspect(Inspector& inspector) const
{
    for (unsigned i = 0; i < count; ++i) {
        auto const& timer = timers_[i];
        if (timer.config.word == 0 && timer.count == 0) continue;
        InspectedNode const node{inspector, std::to_string(i)};
        inspector.flag("enabled", abi::StimerConfig{config(i)}.enabled());
        inspector.text("kind", timer.config.periodic() ? "periodic" : "one-shot");
        if (timer.config.direct())
            inspector.number("vector", timer.config.apic_vector());
        else
            inspector.number("sint", timer.config.sint().value);
        inspector.number("count_100ns", timer.count);
        if (timer.next) inspector.number("expires_at_100ns", timer.next->value);
        inspector.flag("message_waits", timer.message.in_use.load());
    }
}

} // namespace hv
