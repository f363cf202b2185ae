#include "hv/vp/vp_environment.hpp"

#include <cstring>
#include <mutex>

namespace hv {

VpEnvironment::VpEnvironment(PartitionConfig const& config)
    : rights_{config.rights},
      memory_{config.memory},
      time_{config.clock},
      interrupts_{config.interrupts},
      machine_{config.machine},
      tracer_{config.tracer},
      processor_{config.processor},
      max_vps_{config.max_vps}
{
    hypercall_page_.fill(config.hypercall_page);
    reference_tsc_page_.fill(time_page());
}

OverlayPage::Content VpEnvironment::time_page() const
{
    OverlayPage::Content page{};
    auto const shown = time_.page();
    std::memcpy(page.data(), &shown, sizeof shown);
    return page;
}

void VpEnvironment::set_guest_os_id(std::uint64_t value)
{
    std::lock_guard const guard{lock_};
    guest_os_id_.store(value, std::memory_order_relaxed);
    if (value == 0) disable_hypercall_page(); // TLFS 6.0b §3.13
}

bool VpEnvironment::set_hypercall_msr(std::uint64_t value)
{
    std::lock_guard const guard{lock_};
    auto const lockable = rights_.has(Feature::HypercallMsrLock);
    if (lockable && (hypercall_msr() & abi::hypercall_locked) != 0) return true; // immutable until reset

    abi::PageRegister wanted{lockable ? value : value & ~abi::hypercall_locked};
    if (guest_os_id() == 0) wanted.word &= ~std::uint64_t{1};
    if (!wanted.enabled()) {
        hypercall_page_.unmap();
    } else {
        if (!memory_.page(wanted.page())) return false;
        hypercall_page_.map(memory_, wanted.page());
    }
    hypercall_.store(wanted.word, std::memory_order_relaxed);
    return true;
}

void VpEnvironment::disable_hypercall_page()
{
    hypercall_page_.unmap();
    hypercall_.store(hypercall_msr() & ~std::uint64_t{1}, std::memory_order_relaxed);
}

void VpEnvironment::set_reference_tsc(std::uint64_t value, Acceleration* of_writer)
{
    std::lock_guard const guard{lock_};
    abi::PageRegister const wanted{value};
    if (!wanted.enabled())
        reference_tsc_page_.unmap();
    else if (reference_tsc_page_.map(memory_, wanted.page()) && of_writer)
        of_writer->reference_tsc_page_enabled(wanted.page());
    reference_tsc_.store(value, std::memory_order_relaxed);
}

bool VpEnvironment::set_tsc(std::uint64_t value, Acceleration* of_writer)
{
    std::lock_guard const guard{lock_};
    auto const reached = time_.now();
    if (!machine_.set_tsc(value)) return false;
    time_.go_on_from(reached);
    reference_tsc_page_.fill(time_page());
    if (!of_writer) return true;
    bool const is_shown = reference_tsc_page_.host() != nullptr;
    of_writer->reference_time_moved(is_shown ? std::optional{abi::PageRegister{reference_tsc()}.page()}
                                             : std::nullopt);
    return true;
}

bool VpEnvironment::set_tsc_invariant_control(std::uint64_t value, Acceleration* of_writer)
{
    if ((value & ~std::uint64_t{1}) != 0) return false;
    tsc_invariant_.store(value, std::memory_order_relaxed);
    if (of_writer) of_writer->expose_invariant_tsc(value != 0);
    return true;
}

void VpEnvironment::list_overlays(std::vector<std::uint64_t>& pages) const
{
    for (auto const word : {hypercall_msr(), reference_tsc()}) {
        abi::PageRegister const page{word};
        if (page.enabled()) pages.push_back(page.page().value / page_size);
    }
}

void VpEnvironment::crash(std::uint64_t control) const
{
    CrashReport report;
    report.control = control;
    for (std::size_t i = 0; i < report.parameters.size(); ++i)
        report.parameters[i] = crash_parameter(i);
    machine_.report_crash(report);
}

/// The two pages have the content of this process: its way into the hypervisor, and its clock's scale.
void VpEnvironment::visit_environment(StateVisitor& visitor)
{
    std::lock_guard const guard{lock_};
    Registers registers{guest_os_id(), hypercall_msr(), reference_tsc(), tsc_invariant_control(), {}};
    for (std::size_t n = 0; n < registers.crash.size(); ++n)
        registers.crash[n] = crash_parameter(n);
    auto const calls = visitor.restores() ? hypercall_page_.own() : OverlayPage::Content{};
    hv::visit(visitor, registers);
    time_.visit(visitor);
    {
        VisitedNode const node{visitor, "hypercall_page"};
        hypercall_page_.visit(visitor, memory_, abi::PageRegister{registers.hypercall}.page());
    }
    VisitedNode const node{visitor, "reference_tsc_page"};
    reference_tsc_page_.visit(visitor, memory_, abi::PageRegister{registers.reference_tsc}.page());
    if (!visitor.restores()) return;
    hypercall_page_.fill(calls);
    reference_tsc_page_.fill(time_page());
    set_registers(registers);
}

void VpEnvironment::set_registers(Registers const& registers)
{
    guest_os_id_ = registers.guest_os_id;
    hypercall_ = hypercall_page_.host() ? registers.hypercall : registers.hypercall & ~std::uint64_t{1};
    reference_tsc_ = registers.reference_tsc;
    tsc_invariant_ = registers.tsc_invariant & 1;
    for (std::size_t n = 0; n < registers.crash.size(); ++n)
        set_crash_parameter(n, registers.crash[n]);
}

} // namespace hv
