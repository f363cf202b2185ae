/// The synthetic MSRs (TLFS 6.0b appendix F): which there are, who may touch them, and where each leads.
#include "hv/abi/msr.hpp"
#include "hv/vp/virtual_processor.hpp"

namespace hv {

namespace {

namespace msr = abi::msr;

/// Whether the partition has been offered this MSR. What it has not been offered raises #GP, like an unknown one.
bool offered(Rights const& rights, std::uint32_t number)
{
    switch (number) {
    case msr::guest_os_id:
    case msr::hypercall: return rights.has(Privilege::AccessHypercallMsrs);
    case msr::vp_index: return rights.has(Privilege::AccessVpIndex);
    case msr::reset: return rights.has(Privilege::AccessReset);
    case msr::vp_runtime: return rights.has(Privilege::AccessVpRunTime);
    case msr::time_ref_count: return rights.has(Privilege::AccessReferenceCounter);
    case msr::reference_tsc: return rights.has(Privilege::AccessReferenceTsc);
    case msr::tsc_frequency:
    case msr::apic_frequency: return rights.has(Privilege::AccessFrequencies);
    case msr::guest_idle: return rights.has(Privilege::AccessGuestIdle);
    case msr::tsc_invariant_control: return rights.has(Privilege::AccessTscInvariantControl);
    case msr::sirbp: return rights.has(Privilege::AccessSynic) && rights.has(Privilege::CreatePartitions);
    case msr::vp_assist_page: return true; // no privilege covers it, and Linux writes it unasked
    default: break;
    }
    if (number >= msr::scontrol && number <= msr::sint15) return rights.has(Privilege::AccessSynic);
    if (number >= msr::stimer0_config && number <= msr::stimer3_count)
        return rights.has(Privilege::AccessSyntheticTimers);
    if (number >= msr::crash_p0 && number <= msr::crash_ctl) return rights.has(Feature::GuestCrash);
    return false;
}

/// Timer n's CONFIG and COUNT alternate.
struct TimerMsr {
    explicit TimerMsr(std::uint32_t number)
        : timer{(number - msr::stimer0_config) / 2}, is_count{(number - msr::stimer0_config) % 2 != 0}
    {}

    unsigned timer;
    bool is_count;
};

} // namespace

std::optional<std::uint64_t> VirtualProcessor::read(std::uint32_t number)
{
    if (!offered(environment_.rights(), number)) return std::nullopt;

    switch (number) {
    case msr::guest_os_id: return environment_.guest_os_id();
    case msr::hypercall: return environment_.hypercall_msr();
    case msr::vp_index: return index_.value;
    case msr::reset: return 0;
    case msr::vp_runtime: return control_.runtime_100ns();
    case msr::time_ref_count: return environment_.time().now().value;
    case msr::reference_tsc: return environment_.reference_tsc();
    case msr::tsc_frequency: return environment_.time().clock().tsc_hz();
    case msr::apic_frequency: return environment_.time().clock().apic_hz();
    case msr::vp_assist_page: return assist().word;
    case msr::scontrol: return synic_.scontrol();
    case msr::sversion: return abi::synic_version;
    case msr::siefp: return synic_.siefp();
    case msr::simp: return synic_.simp();
    case msr::sirbp: return synic_.sirbp();
    case msr::eom: return 0;
    case msr::guest_idle: control_.idle(); return 0;
    case msr::crash_ctl: return abi::crash_notify | abi::crash_message;
    case msr::tsc_invariant_control: return environment_.tsc_invariant_control();
    default: break;
    }
    if (number >= msr::sint0 && number <= msr::sint15) return synic_.sint(Sint{number - msr::sint0});
    if (number >= msr::stimer0_config && number <= msr::stimer3_count) {
        TimerMsr const which{number};
        return which.is_count ? timers_.expiry(which.timer) : timers_.config(which.timer);
    }
    if (number >= msr::crash_p0 && number <= msr::crash_p4)
        return environment_.crash_parameter(number - msr::crash_p0);
    return std::nullopt;
}

bool VirtualProcessor::write(std::uint32_t number, std::uint64_t value)
{
    auto const& rights = environment_.rights();
    if (!offered(rights, number)) return false;

    switch (number) {
    case msr::eom: synic_.scan_queues(); return true;
    case msr::guest_os_id:
        environment_.set_guest_os_id(value);
        if (acceleration_) acceleration_->guest_os_identified(value);
        return true;
    case msr::hypercall: return environment_.set_hypercall_msr(value);
    case msr::reset:
        if ((value & 1) != 0) environment_.machine().reset();
        return true;
    case msr::reference_tsc: environment_.set_reference_tsc(value, acceleration_); return true;
    case msr::vp_assist_page: set_assist_page(value); return true;
    case msr::scontrol: synic_.set_scontrol(value); return true;
    case msr::siefp: synic_.set_siefp(value); return true;
    case msr::simp: synic_.set_simp(value); return true;
    case msr::sirbp: synic_.set_sirbp(value); return true;
    case msr::crash_ctl:
        if ((value & abi::crash_notify) != 0) environment_.crash(value);
        return true;
    case msr::tsc_invariant_control: return environment_.set_tsc_invariant_control(value, acceleration_);
    default: break;
    }
    if (number >= msr::sint0 && number <= msr::sint15) {
        auto const polling = std::uint64_t{1} << 18;
        if (!rights.has(Feature::SintPolling)) value &= ~polling;
        return synic_.set_sint(Sint{number - msr::sint0}, value);
    }
    if (number >= msr::stimer0_config && number <= msr::stimer3_count) {
        TimerMsr const which{number};
        if (!which.is_count) return timers_.set_config(which.timer, value, rights.has(Feature::DirectTimers));
        timers_.set_count(which.timer, value);
        return true;
    }
    if (number >= msr::crash_p0 && number <= msr::crash_p4) {
        environment_.set_crash_parameter(number - msr::crash_p0, value);
        return true;
    }
    return false; // read-only: VP_INDEX, VP_RUNTIME, TIME_REF_COUNT, the frequencies, SVERSION, GUEST_IDLE
}

} // namespace hv
