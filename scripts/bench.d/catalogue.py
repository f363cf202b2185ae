"""What scripts/bench measures. Lower is better in every unit."""

from dataclasses import dataclass, field

INSTRUCTIONS = "instructions"
KIB = "KiB"

MICRO = "micro"    # printed by the guest program guest-tests/bench
PROCESSORS = "processors"  # printed by it when it has another processor
PORTS = "ports"    # printed by it when it has 100,000 ports
PAIR = "pair"      # printed by it when another guest is its peer
CHILDREN = "children"  # printed by it when it may make partitions
IDLE = "idle"      # many guests in one process, which all halt
START = "start"    # Linux, from the start of the VMM to the first instruction of the guest
LAUNCH = "launch"  # Linux, from the start of the VMM to its end
MEMORY = "memory"  # Linux, until its init runs
DISK = "disk"      # printed by guest-tests/linux/disk_bench in Linux
NETWORK = "network"  # traffic between the lab machine and Linux, over a tap
LOGIN = "login"    # Debian with a disk and a network card, from the start of the VMM to the login prompt
LOGIN_MEMORY = "login-memory"  # the same, there
BOOTLOADER = "bootloader"  # UEFI firmware, from the start of the VMM until the boot loader on its disk runs
UEFI_LOGIN = "uefi-login"  # Debian started by it, with a display as well
UEFI_MEMORY = "uefi-memory"  # the same, there
SCREEN = "screen"  # Linux with a screen, on which a viewer looks


@dataclass(frozen=True)
class Benchmark:
    name: str
    kind: str
    what: str
    unit: str = INSTRUCTIONS
    # Which exits the path takes by its nature, in the names that vmm/bench prints, and how many of each.
    exits: dict = field(default_factory=dict)
    steady: bool = True  # false: it varies by more than the baseline allows


OUT = {"bare_out": 1}
WRMSR = {"bare_wrmsr": 1}

BENCHMARKS = (
    Benchmark("bare_out_exit", MICRO, "OUT to a port where nothing is", exits=OUT),
    Benchmark("mmio_exit", MICRO, "write to an address where nothing is", exits={"bare_mmio": 1}),
    Benchmark("cpuid_exit", MICRO, "CPUID, which the kernel answers", exits={"bare_cpuid": 1}),
    Benchmark("wrmsr_exit", MICRO, "write of HV_X64_MSR_EOM", exits=WRMSR),
    Benchmark("hypercall_unknown_fast", MICRO, "hypercall with an unknown code, there and back", exits=OUT),
    Benchmark("hypercall_slow", MICRO, "HvSignalEvent with its input in memory, for a connection that nobody has", exits=OUT),
    Benchmark("get_partition_id", MICRO, "HvGetPartitionId", exits=OUT),
    Benchmark("create_delete_port", MICRO, "HvCreatePort and HvDeletePort", exits={"bare_out": 2}),
    Benchmark("create_delete_port_100k", PORTS, "the same in a partition that has 100,000 ports", exits={"bare_out": 2}),
    Benchmark("post_message_self", MICRO, "HvPostMessage until the handler has emptied the slot", exits=OUT),
    Benchmark("post_message_other_vp", PROCESSORS, "the same to another processor, which is halted", exits=OUT),
    Benchmark("post_message_other", PAIR, "HvPostMessage to another guest with interrupts masked, until it returns", exits=OUT),
    Benchmark("signal_event_self", MICRO, "HvSignalEvent until the handler has cleared the flag", exits=OUT),
    Benchmark("signal_event_other_vp", PROCESSORS, "the same to another processor, which is halted", exits=OUT),
    Benchmark("sint_write", MICRO, "write of a SINT register", exits=WRMSR),
    Benchmark("eom_message_waiting", MICRO, "write of HV_X64_MSR_EOM that brings the next message", exits=WRMSR),
    Benchmark("stimer_message", MICRO, "timer that sends a message: arming it, and its lateness", exits=WRMSR),
    Benchmark("stimer_direct", MICRO, "timer in direct mode: arming it, and its lateness", exits=WRMSR),
    Benchmark("stimer_direct_halted", MICRO, "the same when the processor halts until then", exits=WRMSR),
    Benchmark("time_ref_count", MICRO, "read of HV_X64_MSR_TIME_REF_COUNT", exits={"bare_rdmsr": 1}),
    Benchmark("reference_tsc_page", MICRO, "reference time by the TSC page"),
    Benchmark("ipi_icr", PROCESSORS, "interrupt to another, halted processor by its APIC, until the handler runs"),
    Benchmark("ipi_cluster", PROCESSORS, "the same by HvSendSyntheticClusterIpi", exits=OUT),
    Benchmark("child_create_destroy", CHILDREN, "a partition of one processor, from HvCreatePartition to HvDeletePartition",
              steady=False),
    Benchmark("map_gpa_512_pages", CHILDREN, "HvMapGpaPages of 512 pages in one call, as a large one", exits=OUT),
    Benchmark("map_gpa_512_small_pages", CHILDREN, "the same of small ones, by the two calls that their list takes",
              exits={"bare_out": 2}),
    Benchmark("child_set_registers", CHILDREN, "HvSetVpRegisters of two registers of a suspended processor", exits=OUT),
    Benchmark("child_io_intercept", CHILDREN, "OUT in a partition, from the call that has it go on until its parent knows of it",
              exits={"bare_out": 2}),
    Benchmark("child_stimer_message", CHILDREN, "stimer_message of a partition that a guest has made", exits=WRMSR),
    Benchmark("child_stimer_direct", CHILDREN, "stimer_direct there", exits=WRMSR),
    Benchmark("child_stimer_direct_halted", CHILDREN, "stimer_direct_halted there", exits=WRMSR),
    Benchmark("child_ipi_icr", CHILDREN, "ipi_icr there"),
    Benchmark("net_ping", NETWORK, "round trip of a ping from the host, over a tap"),
    Benchmark("net_tcp_rx", NETWORK, "TCP from the host to the guest, for each MiB"),
    Benchmark("net_tcp_tx", NETWORK, "TCP from the guest to the host, for each MiB"),
    Benchmark("start_to_first_instruction", START, "from exec of the VMM until it first enters its guest"),
    Benchmark("linux_launch_to_exit", LAUNCH, "Linux, from exec of the VMM to its exit"),
    Benchmark("disk_4k_read", DISK, "random read of 4 KiB of a disk, nothing else under way"),
    Benchmark("disk_4k_write", DISK, "the same for a write"),
    Benchmark("disk_1m_read", DISK, "read of 1 MiB of a disk, one after the other"),
    Benchmark("boot_to_init", MEMORY, "Linux, from exec of the VMM until its init runs"),
    Benchmark("resident_overhead_serial", MEMORY, "resident memory beyond guest RAM, once Linux's init runs", unit=KIB),
    Benchmark("private_overhead_serial", MEMORY, "of that, what no other process shares", unit=KIB),
    Benchmark("idle_partitions_64", IDLE, "64 halted guests in one process, all that it executes in 10 seconds"),
    Benchmark("idle_partitions_64_resident", IDLE, "resident memory beyond guest RAM, for each of them", unit=KIB),
    Benchmark("boot_to_login", LOGIN, "Debian with a disk and a network card, from exec of the VMM to the login prompt"),
    Benchmark("resident_overhead_disk_net", LOGIN_MEMORY, "resident memory beyond guest RAM, then", unit=KIB),
    Benchmark("uefi_to_bootloader", BOOTLOADER, "UEFI firmware, from exec of the VMM to the first instruction of the boot loader"),
    Benchmark("uefi_boot_to_login", UEFI_LOGIN, "boot_to_login by firmware, with a display too"),
    Benchmark("resident_overhead_uefi", UEFI_MEMORY, "resident memory beyond guest RAM, then", unit=KIB),
    Benchmark("screen_update_1024x768", SCREEN, "a change of the whole screen, until a viewer of VNC has it"),
    Benchmark("idle_screen", SCREEN, "a screen at rest, a viewer looking on: what the VMM executes for it in 10 seconds"),
)


def of_kind(*kinds):
    return tuple(benchmark for benchmark in BENCHMARKS if benchmark.kind in kinds)


def of_guest_program():
    return of_kind(MICRO, PROCESSORS, PORTS, PAIR, CHILDREN)


def named(names):
    """The benchmarks of these names, in the catalogue's order. Raises ValueError for one that is not there."""
    unknown = set(names) - {benchmark.name for benchmark in BENCHMARKS}
    if unknown:
        raise ValueError(f"no benchmark '{min(unknown)}'; there are: {', '.join(b.name for b in BENCHMARKS)}")
    return tuple(benchmark for benchmark in BENCHMARKS if benchmark.name in names)
