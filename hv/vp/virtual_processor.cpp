#include "hv/vp/virtual_processor.hpp"

#include "hv/partition/partition.hpp"

namespace hv {

VirtualProcessor::VirtualProcessor(Partition& partition, VpIndex index, VpControl& control)
    : partition_{partition},
      index_{index},
      control_{control},
      synic_{index, partition.memory(), partition.interrupts(), partition.time(), partition.tracer()},
      timers_{partition.time(), synic_, control},
      requests_{control}
{}

std::optional<std::uint64_t> VirtualProcessor::read_msr(std::uint32_t msr)
{
    auto const value = read(msr);
    if (auto* const tracer = partition_.tracer()) [[unlikely]]
        tracer->msr_read(index_, msr, value.value_or(0), value.has_value());
    return value;
}

bool VirtualProcessor::write_msr(std::uint32_t msr, std::uint64_t value)
{
    auto const ok = write(msr, value);
    if (auto* const tracer = partition_.tracer()) [[unlikely]]
        tracer->msr_write(index_, msr, value, ok);
    return ok;
}

void VirtualProcessor::set_assist_page(std::uint64_t value)
{
    auto const kernel_uses_it = partition_.rights().has(Recommendation::ApicMsrs);
    if (kernel_uses_it) control_.assist_page_at({});
    assist_.word = value;
    if (!assist_.enabled()) return assist_page_.unmap();
    assist_page_.map(partition_.memory(), assist_.page());
    if (kernel_uses_it) control_.assist_page_at(assist_.page());
}

} // namespace hv
