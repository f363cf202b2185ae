#include "hv/vp/virtual_processor.hpp"

namespace hv {

VirtualProcessor::VirtualProcessor(Partition& partition, VpEnvironment& environment, VpIndex index,
                                   VpControl& control)
    : partition_{partition},
      environment_{environment},
      index_{index},
      control_{control},
      acceleration_{control.acceleration()},
      synic_{index, environment.memory(), environment.interrupts(), environment.time(), environment.tracer()},
      timers_{environment.time(), synic_, control, acceleration_},
      requests_{control}
{}

std::optional<std::uint64_t> VirtualProcessor::read_msr(std::uint32_t msr)
{
    auto const value = read(msr);
    if (auto* const tracer = environment_.tracer()) [[unlikely]]
        tracer->msr_read(index_, msr, value.value_or(0), value.has_value());
    return value;
}

bool VirtualProcessor::write_msr(std::uint32_t msr, std::uint64_t value)
{
    auto const ok = write(msr, value);
    if (auto* const tracer = environment_.tracer()) [[unlikely]]
        tracer->msr_write(index_, msr, value, ok);
    return ok;
}

/// Timers are looked at with the clock as it is when whoever moves it has done so.
void VirtualProcessor::tsc_moved()
{
    environment_.wait_for_time();
    if (acceleration_) acceleration_->tsc_moved();
    timers_.clock_moved();
}

void VirtualProcessor::set_assist_page(std::uint64_t value)
{
    auto const is_shared = shares_assist_page();
    if (is_shared) acceleration_->assist_page_at({});
    assist_.store(value, std::memory_order_relaxed);
    if (!assist().enabled()) return assist_page_.unmap();
    assist_page_.map(environment_.memory(), assist().page());
    if (is_shared) acceleration_->assist_page_at(assist().page());
}

/// With what accelerates the VP.
bool VirtualProcessor::shares_assist_page() const
{
    return acceleration_ && environment_.rights().has(Recommendation::ApicMsrs);
}

void VirtualProcessor::visit(StateVisitor& visitor, Synic::BufferFor const& port_buffer)
{
    {
        VisitedNode const node{visitor, "timers"};
        timers_.visit(visitor);
    }
    {
        VisitedNode const node{visitor, "synic"};
        synic_.visit(visitor, [&](abi::Message const& message) -> MessageBuffer* {
            if (message.header.type != abi::MessageType::TimerExpired) return port_buffer(message);
            auto* const buffer = timers_.buffer(static_cast<unsigned>(message.payload[0]));
            return buffer && !buffer->in_use.load() ? buffer : nullptr;
        });
    }
    visit_assist_page(visitor);
    external_interrupt_.visit(visitor);
}

void VirtualProcessor::visit_assist_page(StateVisitor& visitor)
{
    VisitedNode const node{visitor, "assist_page"};
    auto word = assist().word;
    visitor.number("register", word);
    assist_.store(word, std::memory_order_relaxed);
    assist_page_.visit(visitor, environment_.memory(), assist().page());
    if (visitor.restores() && shares_assist_page() && assist_page_.host())
        acceleration_->assist_page_at(assist().page());
}

void VirtualProcessor::list_overlays(std::vector<std::uint64_t>& pages)
{
    synic_.list_overlays(pages);
    if (assist().enabled()) pages.push_back(assist().page().value / page_size);
}

} // namespace hv
