/// The Hyper-V interface as a guest sees it. Written from the TLFS (2.0a and the online edition) and on purpose not
/// shared with the hypervisor's own headers: a wrong number in one of the two must show.
#pragma once

#include "runtime/machine.hpp"

namespace guest::hv {

namespace msr {
inline constexpr u32 first = 0x4000'0000;
inline constexpr u32 last = 0x4000'01FF;
inline constexpr u32 guest_os_id = 0x4000'0000;
inline constexpr u32 hypercall = 0x4000'0001;
inline constexpr u32 vp_index = 0x4000'0002;
inline constexpr u32 reset = 0x4000'0003;
inline constexpr u32 vp_runtime = 0x4000'0010;
inline constexpr u32 time_ref_count = 0x4000'0020;
inline constexpr u32 reference_tsc = 0x4000'0021;
inline constexpr u32 tsc_frequency = 0x4000'0022;
inline constexpr u32 apic_frequency = 0x4000'0023;
inline constexpr u32 eoi = 0x4000'0070;
inline constexpr u32 icr = 0x4000'0071;
inline constexpr u32 tpr = 0x4000'0072;
inline constexpr u32 vp_assist_page = 0x4000'0073;
inline constexpr u32 scontrol = 0x4000'0080;
inline constexpr u32 sversion = 0x4000'0081;
inline constexpr u32 siefp = 0x4000'0082;
inline constexpr u32 simp = 0x4000'0083;
inline constexpr u32 eom = 0x4000'0084;
inline constexpr u32 sirbp = 0x4000'0085; ///< number from Linux, include/hyperv/hvgdk_mini.h
inline constexpr u32 sint0 = 0x4000'0090;
inline constexpr u32 stimer0_config = 0x4000'00B0;
inline constexpr u32 stimer0_count = 0x4000'00B1;
inline constexpr u32 guest_idle = 0x4000'00F0;
inline constexpr u32 crash_p0 = 0x4000'0100;
inline constexpr u32 crash_ctl = 0x4000'0105;
inline constexpr u32 tsc_invariant_control = 0x4000'0118; ///< not in the TLFS; Linux, arch/x86 hyperv-tlfs.h
} // namespace msr

inline constexpr u64 enable_bit = 1;
inline constexpr u64 hypercall_lock_bit = 2;
inline constexpr unsigned sint_count = 16;
inline constexpr unsigned timer_count = 4;
inline constexpr u64 sint_masked = 1u << 16;
inline constexpr u64 sint_auto_eoi = 1u << 17;
inline constexpr u64 sint_polling = 1u << 18;
inline constexpr u64 sint_reset_value = sint_masked;

/// TLFS 2.0a appendix C.
enum class Status : u16 {
    Success = 0x00,
    InvalidHypercallCode = 0x02,
    InvalidHypercallInput = 0x03,
    InvalidAlignment = 0x04,
    InvalidParameter = 0x05,
    AccessDenied = 0x06,
    InvalidPartitionState = 0x07,
    OperationDenied = 0x08,
    UnknownProperty = 0x09,
    PropertyValueOutOfRange = 0x0A,
    InsufficientMemory = 0x0B,
    PartitionTooDeep = 0x0C,
    InvalidPartitionId = 0x0D,
    InvalidVpIndex = 0x0E,
    InvalidPortId = 0x11,
    InvalidConnectionId = 0x12,
    InsufficientBuffers = 0x13,
    NotAcknowledged = 0x14,
    InvalidVpState = 0x15,
    Acknowledged = 0x16,
    InvalidSynicState = 0x18,
    ObjectInUse = 0x19,
    InvalidProximityDomainInfo = 0x1A,
    NoResources = 0x1D,
    InvalidRegisterValue = 0x50,
    InvalidVtlState = 0x51,
};

/// The name of a status in the specification's spelling; for one it does not know, "HV_STATUS".
char const* name(Status status);

/// One bit of CPUID leaf 0x40000003.
struct Feature {
    enum class Register : u8 { eax, ebx, edx } in;
    u8 bit;
    char const* text; ///< for the reason of a skip
};

namespace feature {
using enum Feature::Register;
inline constexpr Feature vp_runtime{eax, 0, "VP_RUNTIME: CPUID 0x40000003 EAX bit 0 is clear"};
inline constexpr Feature reference_counter{eax, 1, "TIME_REF_COUNT: CPUID 0x40000003 EAX bit 1 is clear"};
inline constexpr Feature synic{eax, 2, "SynIC MSRs: CPUID 0x40000003 EAX bit 2 is clear"};
inline constexpr Feature timers{eax, 3, "synthetic timers: CPUID 0x40000003 EAX bit 3 is clear"};
inline constexpr Feature apic_msrs{eax, 4, "APIC MSRs: CPUID 0x40000003 EAX bit 4 is clear"};
inline constexpr Feature hypercall_msrs{eax, 5, "hypercall MSRs: CPUID 0x40000003 EAX bit 5 is clear"};
inline constexpr Feature vp_index{eax, 6, "VP_INDEX: CPUID 0x40000003 EAX bit 6 is clear"};
inline constexpr Feature reset{eax, 7, "RESET: CPUID 0x40000003 EAX bit 7 is clear"};
inline constexpr Feature reference_tsc{eax, 9, "REFERENCE_TSC: CPUID 0x40000003 EAX bit 9 is clear"};
inline constexpr Feature guest_idle{eax, 10, "GUEST_IDLE: CPUID 0x40000003 EAX bit 10 is clear"};
inline constexpr Feature frequency_msrs{eax, 11, "frequency MSRs: CPUID 0x40000003 EAX bit 11 is clear"};
inline constexpr Feature tsc_invariant{eax, 15, "TSC_INVARIANT_CONTROL: CPUID 0x40000003 EAX bit 15 is clear"};
inline constexpr Feature create_partitions{ebx, 0, "CreatePartitions: CPUID 0x40000003 EBX bit 0 is clear"};
inline constexpr Feature access_partition_id{ebx, 1, "AccessPartitionId: CPUID 0x40000003 EBX bit 1 is clear"};
inline constexpr Feature access_memory_pool{ebx, 2, "AccessMemoryPool: CPUID 0x40000003 EBX bit 2 is clear"};
inline constexpr Feature post_messages{ebx, 4, "PostMessages: CPUID 0x40000003 EBX bit 4 is clear"};
inline constexpr Feature signal_events{ebx, 5, "SignalEvents: CPUID 0x40000003 EBX bit 5 is clear"};
inline constexpr Feature create_port{ebx, 6, "CreatePort: CPUID 0x40000003 EBX bit 6 is clear"};
inline constexpr Feature connect_port{ebx, 7, "ConnectPort: CPUID 0x40000003 EBX bit 7 is clear"};
inline constexpr Feature vp_registers{ebx, 17, "AccessVpRegisters: CPUID 0x40000003 EBX bit 17 is clear"};
inline constexpr Feature extended_hypercalls{ebx, 20,
                                             "EnableExtendedHypercalls: CPUID 0x40000003 EBX bit 20 is clear"};
inline constexpr Feature start_vp{ebx, 21, "StartVirtualProcessor: CPUID 0x40000003 EBX bit 21 is clear"};
inline constexpr Feature xmm_input{edx, 4, "XMM fast input: CPUID 0x40000003 EDX bit 4 is clear"};
inline constexpr Feature crash_msrs{edx, 10, "crash MSRs: CPUID 0x40000003 EDX bit 10 is clear"};
inline constexpr Feature sint_polling{edx, 17, "SINT polling: CPUID 0x40000003 EDX bit 17 is clear"};
inline constexpr Feature hypercall_lock{edx, 18, "HYPERCALL lock: CPUID 0x40000003 EDX bit 18 is clear"};
inline constexpr Feature direct_timers{edx, 19, "direct timers: CPUID 0x40000003 EDX bit 19 is clear"};
} // namespace feature

inline constexpr u32 leaf_vendor = 0x4000'0000;
inline constexpr u32 leaf_interface = 0x4000'0001;
inline constexpr u32 leaf_version = 0x4000'0002;
inline constexpr u32 leaf_features = 0x4000'0003;
inline constexpr u32 leaf_recommendations = 0x4000'0004;
inline constexpr u32 leaf_limits = 0x4000'0005;
inline constexpr u32 leaf_hardware = 0x4000'0006;

/// Whether the hypervisor-present bit is set and leaf 0x40000001 says "Hv#1".
bool present();
bool offered(Feature const& feature);

/// A hypercall input value: call code in bits 15:0, then these.
inline constexpr u64 fast = u64{1} << 16;
constexpr u64 variable_header(u64 qwords)
{
    return qwords << 17;
}
constexpr u64 rep_count(u64 count)
{
    return count << 32;
}
constexpr u64 rep_start(u64 index)
{
    return index << 48;
}

namespace call {
inline constexpr u64 flush_virtual_address_space = 0x02;
inline constexpr u64 flush_virtual_address_list = 0x03;
inline constexpr u64 notify_long_spin_wait = 0x08;
inline constexpr u64 send_cluster_ipi = 0x0B;
inline constexpr u64 flush_virtual_address_space_ex = 0x13;
inline constexpr u64 flush_virtual_address_list_ex = 0x14;
inline constexpr u64 send_cluster_ipi_ex = 0x15;
inline constexpr u64 create_partition = 0x40;
inline constexpr u64 initialize_partition = 0x41;
inline constexpr u64 finalize_partition = 0x42;
inline constexpr u64 delete_partition = 0x43;
inline constexpr u64 get_partition_property = 0x44;
inline constexpr u64 set_partition_property = 0x45;
inline constexpr u64 get_partition_id = 0x46;
inline constexpr u64 get_next_child_partition = 0x47;
inline constexpr u64 deposit_memory = 0x48;
inline constexpr u64 withdraw_memory = 0x49;
inline constexpr u64 get_memory_balance = 0x4A;
inline constexpr u64 map_gpa_pages = 0x4B;
inline constexpr u64 unmap_gpa_pages = 0x4C;
inline constexpr u64 install_intercept = 0x4D;
inline constexpr u64 translate_virtual_address = 0x52;
inline constexpr u64 read_gpa = 0x53;
inline constexpr u64 write_gpa = 0x54;
inline constexpr u64 register_intercept_result = 0x91;
inline constexpr u64 create_vp = 0x4E;
inline constexpr u64 delete_vp = 0x4F;
inline constexpr u64 get_vp_registers = 0x50;
inline constexpr u64 set_vp_registers = 0x51;
inline constexpr u64 assert_virtual_interrupt_old = 0x55;
inline constexpr u64 clear_virtual_interrupt = 0x56;
inline constexpr u64 create_port = 0x57;
inline constexpr u64 delete_port = 0x58;
inline constexpr u64 connect_port = 0x59;
inline constexpr u64 get_port_property = 0x5A;
inline constexpr u64 disconnect_port = 0x5B;
inline constexpr u64 post_message = 0x5C;
inline constexpr u64 signal_event = 0x5D;
inline constexpr u64 set_port_property = 0x70;
inline constexpr u64 notify_port_ring_empty = 0x8B;
inline constexpr u64 create_port_vtl = 0x95;
inline constexpr u64 connect_port_vtl = 0x96;
inline constexpr u64 assert_virtual_interrupt = 0x94;
inline constexpr u64 start_virtual_processor = 0x99;
inline constexpr u64 get_vp_index_from_apic_id = 0x9A;
inline constexpr u64 get_gpa_pages_access_states = 0xC9;
inline constexpr u64 map_vp_state_page = 0xE1;
inline constexpr u64 unmap_vp_state_page = 0xE2;
inline constexpr u64 get_vp_state = 0xE3; ///< this and the next are in no text; Linux, include/hyperv/hvhdk.h
inline constexpr u64 set_vp_state = 0xE4;
inline constexpr u64 get_vp_cpuid_values = 0xF4;
inline constexpr u64 get_partition_property_ex = 0x101; ///< in no text; Linux, include/hyperv/hvhdk.h
inline constexpr u64 ext_query_capabilities = 0x8001;
inline constexpr u64 unknown = 0x0FFE;
} // namespace call

/// Identifies us as an open-source system with a made-up OS type (TLFS online, "Reporting the Guest OS Identity").
inline constexpr u64 our_os_id = u64{1} << 63 | u64{0x7E} << 56 | 1;

/// Puts the hypercall page where this program keeps it; does nothing when it is there already.
void enable_hypercalls();

/// Where the hypercall page is.
u64 hypercall_page();

/// Calls with `in` and `out` as GPAs, or as the input itself when `control` has the fast bit. The whole result value.
u64 hypercall(u64 control, u64 in = 0, u64 out = 0);

/// The status of a result value, and its reps completed.
constexpr Status status(u64 result)
{
    return static_cast<Status>(result & 0xFFFF);
}
constexpr u64 reps_completed(u64 result)
{
    return result >> 32 & 0xFFF;
}

/// This processor's page for hypercall inputs.
void* input_page();

/// Puts the input into this processor's input page and makes a slow call.
template <typename Input>
Status call_with(u64 control, Input const& input)
{
    static_assert(sizeof(Input) <= page_size);
    *static_cast<Input*>(input_page()) = input;
    return status(hypercall(control, reinterpret_cast<u64>(input_page())));
}

} // namespace guest::hv
