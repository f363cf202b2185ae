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

void VirtualProcessor::set_assist_page(std::uint64_t value)
{
    auto const is_shared = acceleration_ && environment_.rights().has(Recommendation::ApicMsrs);
    if (is_shared) acceleration_->assist_page_at({});
    assist_.word = value;
    if (!assist_.enabled()) return assist_page_.unmap();
    assist_page_.map(environment_.memory(), assist_.page());
    if (is_shared) acceleration_->assist_page_at(assist_.page());
}

} // namespace hv
