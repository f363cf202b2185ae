#include "bench/delivery.hpp"
#include "bench/groups.hpp"
#include "bench/measure.hpp"
#include "hyperv/vp_calls.hpp"
#include "runtime/apic.hpp"
#include "runtime/cpu.hpp"

namespace guest {

namespace {

using hv::Status;

constexpr unsigned other = 1;
constexpr u8 ipi_vector = 0x5B;
constexpr u32 cluster_ipi_bit = 1u << 10;

struct IpiInput {
    u32 vector;
    u32 target_vtl;
    u64 mask;
};

void synic_of_other(u8 vp)
{
    if (!hv::offered(hv::feature::synic) || !hv::offered(hv::feature::post_messages)) {
        skip("post_message_other_vp", hv::feature::synic.text);
        skip("signal_event_other_vp", hv::feature::synic.text);
        return;
    }
    Synic const synic;
    if (!test_device_present()) {
        skip("post_message_other_vp", no_test_device);
        skip("signal_event_other_vp", no_test_device);
        return;
    }
    if (!run_on(other, [] {
            open_synic();
            set_sint(measured_sint, measured_vector);
        })) {
        report_failed("post_message_other_vp");
        report_failed("signal_event_other_vp");
        return;
    }
    report_deliveries("post_message_other_vp", "signal_event_other_vp", vp);
}

void interrupt_by_apic()
{
    on_interrupt(ipi_vector, plain_handler);
    report("ipi_icr", [] {
        return until_handled([] {
            apic::send_interrupt(cpu(other).apic_id, ipi_vector);
            return Status::Success;
        });
    });
    on_interrupt(ipi_vector, nullptr);
}

void interrupt_by_hypercall(u8 vp)
{
    on_interrupt(ipi_vector, plain_handler);
    if (!(cpuid(hv::leaf_recommendations).eax & cluster_ipi_bit)) {
        skip("ipi_cluster", "CPUID 0x40000004 EAX bit 10 is clear");
    } else {
        static IpiInput input{ipi_vector, 0, 0};
        input.mask = u64{1} << vp;
        report("ipi_cluster",
               [] { return until_handled([] { return hv::call_with(hv::call::send_cluster_ipi, input); }); });
    }
    on_interrupt(ipi_vector, nullptr);
}

} // namespace

void between_processors()
{
    if (start_cpus() <= other) {
        return fail_each("post_message_other_vp", "signal_event_other_vp", "ipi_icr", "ipi_cluster");
    }
    auto const vp = static_cast<u8>(vp_index_of(other));
    synic_of_other(vp);
    interrupt_by_apic();
    interrupt_by_hypercall(vp);
}

void interrupt_between_processors()
{
    if (start_cpus() <= other) return report_failed("ipi_icr");
    interrupt_by_apic();
}

} // namespace guest
