"""Seeds of the targets in hv/fuzz."""
import pathlib
import re
import struct

from encoding import ALL, counted, value

project = pathlib.Path(__file__).resolve().parents[3]

# fuzz_hypercalls: calls by the names that hv/abi has for their codes

CODES = {name: int(code, 16) for name, code in re.findall(
    r"^    (\w+) = (0x[0-9A-F]{4}),", (project / "hv/abi/hypercall.hpp").read_text(), re.MULTILINE)}
SELF = [ALL, ALL]


def words(*numbers):
    return b"".join(bytes([n]) if n in (ALL,) else value(n) for n in numbers)


def known(name, *numbers, guest=0, vp=0, fast=False, reps=None):
    """A step of a known call; `reps` are count and start of one with a list."""
    step = bytes([(2 if fast else 1) | guest << 3 | vp << 5]) + value(CODES[name])
    return step + (bytes(reps) if reps else b"") + words(*numbers)


def time(microseconds):
    return b"\x06" + struct.pack("<H", microseconds)


def memory(page, offset, data, guest=0):
    return bytes([5 | guest << 3, page]) + struct.pack("<H", offset) + counted(data)


def changes(loads, change, times):
    return bytes([7, loads]) + value(change) + bytes([times])


def padded(numbers, size):
    return list(numbers) + [0] * (size - len(numbers))


def port(kind, number, peer, sint, vp=0, flags=0, guest=0):
    """Guest n has partition ID n + 2."""
    return known("CreatePort", *SELF, number, 0, peer, 0, kind, 0, sint, vp, flags, 0, guest=guest)


def connection(number, receiver, port_number, kind, guest=1):
    return known("ConnectPort", *SELF, number, 0, receiver, 0, port_number, 0, kind, 0, guest=guest)


def message(number, guest=1):
    return known("PostMessage", *padded([number, 0, 1, 16, 0xAB], 36), guest=guest)


first, second, third = 2, 3, 4
monitored = (port(2, 2, third, 3, flags=8 << 16) + connection(2, first, 2, 2, guest=2) +
             port(3, 3, third, 0x2_0000) + connection(3, first, 3, 0x2_5000, guest=2))

hypercalls = {
    "messages": port(1, 1, third, 2) + connection(1, first, 1, 1, guest=2) + message(1, 2) * 3 + time(1000),
    "full-buffers": port(1, 1, third, 2) + connection(1, first, 1, 1, guest=2) + message(1, 2) * 18 +
                    known("DeletePort", *SELF, 1, 0, fast=True),
    "any-vp": port(1, 1, third, 2, vp=ALL) + connection(1, first, 1, 1, guest=2) +
              known("SetPortProperty", *SELF, 1, 0, 1, 0, 1, 0) + message(1, 2) * 3,
    "events": port(2, 2, third, 3, vp=1, flags=8 << 16) + connection(2, first, 2, 2, guest=2) +
              known("SignalEvent", 2, 5, guest=2, fast=True) * 2 + known("DisconnectPort", *SELF, 2, 0, guest=2),
    "root-ports": known("PostMessage", *padded([33, 0, 7, 8], 36)) + known("SignalEvent", 34, 3),
    "monitor-page": monitored + memory(0x25, 1088, struct.pack("<IHH", 2, 1, 0), guest=2) +
                    memory(0x25, 0, struct.pack("<IIQ", 1, 0, 1), guest=2) + time(1000) * 6,
    "vtl-forms": known("CreatePortVtl", *SELF, 5, 0, third, 0, 1, 0, 2, 0, 0, 0, 0, 0) +
                 known("ConnectPortVtl", *padded([*SELF, 5, 0, first, 0, 5, 0, 1], 18), guest=2),
    "own-registers": known("GetVpRegisters", *SELF, ALL, 0, 0x90000, 0x90001, 0xA0000, reps=[3, 0]) +
                     known("SetVpRegisters", *SELF, ALL, 0, 0xA0001, 0, 0, 0, 0x6001, 0, 0, 0, reps=[1, 0]),
    "other-vp": known("GetVpRegisters", *SELF, 1, 0, 0xB0000, reps=[1, 0]) +
                known("StartVirtualProcessor", *padded([*SELF, 1, 0], 36)),
    "parent": known("CreatePort", second, 0, 1, 0, third, 0, 1, 0, 2, 0, 0, 0) + known("DeletePort", second, 0, 1, 0),
    "children": known("CreatePartition", *padded([0, 0], 14)) +
                known("DepositMemory", 5, 0, *[word for page in range(0x10, 0x34) for word in (page, 0)], reps=[36, 0]) +
                known("SetPartitionProperty", 5, 0, 0x10000, 0, 0x64, 0) + known("InitializePartition", 5, 0, fast=True) +
                known("GetMemoryBalance", 5, 0, 0, 0) + known("GetNextChildPartition", *SELF, 0, 0) +
                known("FinalizePartition", 5, 0) + known("WithdrawMemory", 5, 0, 0, 0, reps=[36, 0]) +
                known("DeletePartition", 5, 0),
    "a-child-that-stays": known("CreatePartition", *padded([0, 0], 14)) +
                          known("DepositMemory", 5, 0, 0x10, 0, 0x3F, 0, 0x10, 0, reps=[3, 0]),
    "ipis": known("SendSyntheticClusterIpi", 0x40, 0, 3, 0, fast=True) +
            known("SendSyntheticClusterIpiEx", 0x40, 0, 0, 0, 1, 0, 3, 0, reps=[1, 0], fast=True) +
            known("SendSyntheticClusterIpiEx", 0x40, 0, 1, 0, 0, 0, reps=[0, 0]),
    "properties": known("GetPartitionProperty", *SELF, 0x60000, 0) + known("GetPartitionId") +
                  known("GetPartitionPropertyEx", *SELF, 0x90007, 0, 0, 0) +
                  known("ExtQueryCapabilities") + known("NotifyLongSpinWait", 5, 0, fast=True) +
                  known("GetVpIndexFromApicId", *SELF, 0, 0, 1, 0, 9, 0, reps=[2, 0]) + known("GetPortProperty", *SELF, 1, 0, 0, 0),
    "interrupts-of-a-child": known("AssertVirtualInterrupt", third, 0, 0, 0, 0, 0, 0x41, guest=1) +
                             known("ClearVirtualInterrupt", third, 0, guest=1) +
                             known("AssertVirtualInterruptVtl", third, 0, 0, 0, 0, 0, 0x51, 0, guest=1),
    "changing-input": changes(2, 0xFF, 3) + port(1, 1, third, 2) + changes(1, 1 << 40, 7) +
                      known("SignalEvent", 34, 3),
    "any-words": b"\x00" + struct.pack("<Q", 0x0057) + value(0x4000) + value(0) +
                 b"\x00" + struct.pack("<Q", 0x1_0001_0050) + value(0x4000) + value(0x5000) +
                 b"\x00" + struct.pack("<Q", 0xFFFF) + value(1) + value(2),
}

# fuzz_msrs: numbers of registers, of which their low two bytes are written (TLFS 6.0b appendix F)

REGISTERS = {"guest_os_id": 0x4000_0000, "hypercall": 0x4000_0001, "vp_index": 0x4000_0002, "reset": 0x4000_0003,
             "vp_runtime": 0x4000_0010, "time_ref_count": 0x4000_0020, "reference_tsc": 0x4000_0021,
             "tsc_frequency": 0x4000_0022, "apic_frequency": 0x4000_0023, "vp_assist_page": 0x4000_0073,
             "scontrol": 0x4000_0080, "sversion": 0x4000_0081, "siefp": 0x4000_0082, "simp": 0x4000_0083,
             "eom": 0x4000_0084, "sirbp": 0x4000_0085, "guest_idle": 0x4000_00F0, "crash_ctl": 0x4000_0105, "tsc_invariant_control": 0x4000_0118}
REGISTERS |= {f"stimer{n // 2}_{'count' if n % 2 else 'config'}": 0x4000_00B0 + n for n in range(8)}
REGISTERS |= {f"sint{n}": 0x4000_0090 + n for n in range(16)} | {f"crash_p{n}": 0x4000_0100 + n for n in range(5)}
EVERYTHING = bytes(12)


def write(name, number, vp=0):
    return bytes([vp << 3]) + struct.pack("<H", REGISTERS[name] & 0xFFFF) + value(number)


def read(name, vp=0):
    return bytes([1 | vp << 3]) + struct.pack("<H", REGISTERS[name] & 0xFFFF)


def ticks(number):
    return b"\x05" + value(number)


def send(sint, vp=0):
    return bytes([6 | vp << 3 | (sint - 1) << 4])


synic = write("simp", 0x6001) + write("siefp", 0x7001) + write("sint1", 0x41) + write("sint2", 0x42)
synic += write("scontrol", 1)
msrs = {
    "synic": EVERYTHING + synic + send(1) * 3 + send(2) * 2 + b"\x03",
    "queue-then-page": EVERYTHING + synic + send(1) * 18 + write("simp", 0x8001) + b"\x03" + write("simp", 0) +
                       write("simp", 0x6001) + write("scontrol", 0) + write("scontrol", 1),
    "timers": EVERYTHING + synic + write("stimer0_count", 1000) + write("stimer0_config", 0x1_000B) + ticks(2000) +
              ticks(9000) + read("stimer0_count") + write("stimer1_config", 0x1_0009) + write("stimer1_count", 50) +
              ticks(100) + read("stimer1_config"),
    "direct-timer": EVERYTHING + write("stimer2_config", 0x1_1401) + write("stimer2_config", 0x1403) +
                    write("stimer2_count", 20) + ticks(500),
    "lazy-timer": EVERYTHING + synic + write("stimer3_config", 0x1_0007) + write("stimer3_count", 10) + ticks(500) * 3,
    "hypercall-page": EVERYTHING + write("hypercall", 0x9001) + write("guest_os_id", 1) + write("hypercall", 0x9001) +
                      write("hypercall", 0xFEE00001) + write("hypercall", 0x9003) + write("guest_os_id", 0),
    "pages-in-one": EVERYTHING +
                    b"".join(write(n, 0x9001) for n in ("simp", "siefp", "vp_assist_page", "reference_tsc")) +
                    b"".join(write(n, 0) for n in ("siefp", "simp", "reference_tsc", "vp_assist_page")),
    "crash": EVERYTHING + b"".join(write(f"crash_p{n}", n) for n in range(5)) + write("crash_ctl", 1 << 63),
    "reads": EVERYTHING + b"".join(read(name) for name in REGISTERS),
    "withheld": b"\xff" * 12 + b"".join(write(name, 1) + read(name) for name in REGISTERS),
    "polling": EVERYTHING + synic + write("sint1", 0x5_0041) + send(1) + write("sint1", 0x2_0041) + send(1) + b"\x03",
    "slot-changes": EVERYTHING + synic + send(1) * 2 + bytes([7, 0]) + value(0xFF) + bytes([3]) + b"\x03" + send(1),
    "others": EVERYTHING + b"\x02" + struct.pack("<I", 0x400000FF) + value(5) +
              b"\x02" + struct.pack("<I", 0x10) + value(1) +
              write("reset", 1) + write("tsc_invariant_control", 1) + write("guest_idle", 0),
}

# fuzz_parents

(CREATE, INITIALIZE, FINALIZE, DELETE, DEPOSIT, WITHDRAW, BALANCE, ENUMERATE, RIGHTS, SIMP, HOST, CREATE_VP, DELETE_VP, MAP,
 UNMAP, CALL) = range(16)
(MAP_SPARSE, MODIFY_SPARSE, GET_STATE, SET_STATE, SHOW_PAGE, HIDE_PAGE, MAP_STATS, UNMAP_STATS, TRANSLATE, READ_GPA, WRITE_GPA,
 REGISTER_RESULT, FORGET_RESULT, CPUID_VALUES, ACCESS_STATES) = range(0, 30, 2)
(SIGNAL_DIRECT, POST_DIRECT, CREATE_BELL, DELETE_BELL, CONNECT_BELL, DISCONNECT_BELL, RING, RING_EMPTY, ASSERT, CLEAR, EOI,
 INTERCEPTED, SET_REGISTER, INSTALL, CHILDS_MSR, CHANGE_REGISTERS) = range(1, 32, 2)
OTHER_MSR = SIMP | 0x20
SIEFP_OF, SIRBP_OF, SINT0_OF, AS_INTERCEPT, SCONTROL_OF = 1, 2, 3, 3 + 0x44, 3 + 16
NOTHING, READ_ONLY, READ_WRITE = range(3)


def parents_step(what, *numbers, guest=0):
    return bytes([what | guest << 4, *numbers])


def pages(child, *numbers, guest=0):
    return parents_step(DEPOSIT, child, len(numbers) - 1, *numbers, guest=guest)


def made(child, guest=0):
    first = 36 * guest
    return (parents_step(CREATE, 0, guest=guest) + pages(child, *range(first % 50, first % 50 + 36), guest=guest) +
            parents_step(INITIALIZE, child, guest=guest))


def mapped(child, base, access, *numbers):
    return parents_step(MAP, child, base, access, len(numbers) - 1, *numbers)


def called(child, what, *rest, guest=0):
    """Those that are no bytes are values."""
    return parents_step(CALL, child, what, guest=guest) + b"".join(bytes([n]) if isinstance(n, int) else n for n in rest)


INTERCEPT_PAGE = value(1 << 8 | 1 << 13 | 1 << 19)
# A child with pages of its own to map, a VP, and a parent that listens.
family = (bytes([CREATE]) + INTERCEPT_PAGE + pages(0, *range(28), *range(32, 48)) + parents_step(INITIALIZE, 0) + parents_step(CREATE_VP, 0, 0) +
          parents_step(SIMP, 0x9D) + parents_step(OTHER_MSR, SIRBP_OF, 0x9E) + parents_step(OTHER_MSR, SCONTROL_OF, 1) +
          parents_step(OTHER_MSR, SINT0_OF, 0x41) + parents_step(OTHER_MSR, AS_INTERCEPT + 5, 0x51))
everything = [called(0, what, 0, 0, 0, 0, 0, 0) for what in range(30)]
parents = {
    "every-call": family + b"".join(everything),
    "every-call-of-none": b"".join(everything),
    "every-call-of-a-stranger": family + b"".join(
        called(4, what, 0, 0, 0, 0, 0, 0, guest=1) for what in range(30)),
    "sparse": family + called(0, MAP_SPARSE, READ_WRITE, 2, 5, 0xC, 7, 0xD, 5, 0xE) + called(0, MODIFY_SPARSE, READ_ONLY, 1, 5, 7) +
              called(0, MODIFY_SPARSE, NOTHING, 2, 5, 6, 7) + called(0, MAP_SPARSE, READ_ONLY, 1, 1, 0xC, 1, 0x10),
    "looking": family + mapped(0, 0, READ_WRITE, 0xC, 0xD) + called(0, WRITE_GPA, 0, 8, 0, 1, b"ABCDEFGHIJKLMNOP") +
               called(0, READ_GPA, 0, 8, 0, 1) + called(0, READ_GPA, 0, 4, 1, 240) + called(0, READ_GPA, 0, 4, 2, 0) +
               called(0, TRANSLATE, 0, value(1), value(0)) + called(0, TRANSLATE, 0, value(0x11), value(1)) +
               called(0, ACCESS_STATES, 0, value(0), 3) + called(0, ACCESS_STATES, 4, value(0), 3),
    "pages-of-the-hypervisor": family + called(0, SHOW_PAGE, 0, 1, 0x1C) + called(0, SHOW_PAGE, 0, 0, 0x1F) + called(0, SHOW_PAGE, 0, 1, 0x1F) +
                               called(0, MAP_STATS, 1, 0, 0x1C) + called(0, MAP_STATS, 2, 0, 0x1F) + pages(0, 0x1C) +
                               mapped(0, 0, READ_WRITE, 0xC) + called(0, INTERCEPTED, 0, 0, value(0x80)) + called(0, HIDE_PAGE, 0, 1) +
                               called(0, UNMAP_STATS, 2, 0) + parents_step(DELETE_VP, 0, 0) + parents_step(FINALIZE, 0) +
                               parents_step(WITHDRAW, 0, 59) + parents_step(DELETE, 0) + called(0, UNMAP_STATS, 1, 0),
    "results": family + called(0, REGISTER_RESULT, 0, 2, *[value(n) for n in (1, 0, 0, 5, 255, 0, 0, 0, 0, 0, 0, 0)]) +
               called(0, CPUID_VALUES, 0, 2, 1, value(1), 0, value(0x40000003), 0) + called(0, FORGET_RESULT, 0, 2, *[value(1)] * 4) +
               called(0, REGISTER_RESULT, 0, 1, *[value(n) for n in (0x8B, 1, 1)]),
    "states": family + b"".join(called(0, what, 0, kind, value(7), 1, value(0xC)) for what in (GET_STATE, SET_STATE) for kind in range(5)) +
              called(0, SET_STATE, 0, 4, value(7), 25, *[value(0)] * 25),
    "doorbells": family + called(0, CREATE_BELL, 1, 5, 3) + called(0, CONNECT_BELL, 1, 2, 9, 0, value(0), 0) +
                 called(0, RING, 0, 9, 0, 0, value(0)) + called(0, RING, 0, 9, 0, 0, value(0)) + called(0, RING_EMPTY, 5) +
                 called(0, DELETE_BELL, 1) + called(0, RING, 0, 9, 0, 0, value(0)) + called(0, DISCONNECT_BELL, 2) +
                 called(0, CREATE_BELL, 1, 5, 3) + called(0, CONNECT_BELL, 1, 2, 9, 0, value(1), 1) + parents_step(FINALIZE, 0),
    "interrupts": family + called(0, ASSERT, 0, 1, value(0), value(0x41)) + called(0, EOI, 0, 0x41) + called(0, ASSERT, 7, 0, value(0), value(0x42)) +
                  called(0, CLEAR) + called(0, EOI, 0, 0x41) + called(0, EOI, 0, 0x42) + parents_step(DELETE_VP, 0, 0),
    "childs-synic": family + mapped(0, 0, READ_WRITE, 0xC, 0xD) + called(0, CHILDS_MSR, 0, 2, value(1)) + called(0, CHILDS_MSR, 0, 4, value(1)) +
                    called(0, CHILDS_MSR, 0, 3, value(0x1001)) + called(0, CHILDS_MSR, 0, 7, value(0x50)) +
                    called(0, POST_DIRECT, 0, 5, value(1), 8) + called(0, SIGNAL_DIRECT, 0, 5, value(3)) + parents_step(UNMAP, 0, 0, 1) +
                    pages(0, 0x1C, 0x1F) + called(0, POST_DIRECT, 0, 5, value(1), 8) + parents_step(DELETE_VP, 0, 0),
    "registers": family + called(0, SET_REGISTER, 0, value(0), value(0)) + called(0, SET_REGISTER, 0, value(1), value(0)) +
                 called(0, SET_REGISTER, 0, value(0x20010), value(0x1000)) + called(0, INSTALL, 1, value(0), value(0x80)),
    "register-page": family + called(0, SHOW_PAGE, 0, 0, 0x1C) + called(0, INTERCEPTED, 0, 3, value(0)) +
                     called(0, CHANGE_REGISTERS, 0, 0x1F, 17, value(0x1000)) + called(0, SET_REGISTER, 0, value(1), value(0)) +
                     called(0, INTERCEPTED, 0, 3, value(0)) + called(0, CHANGE_REGISTERS, 0, 2, 17, value(0x2000)) +
                     called(0, HIDE_PAGE, 0, 0) + called(0, SET_REGISTER, 0, value(1), value(0)),
    "a-child-that-runs": made(0) + pages(0, *range(36, 44)) + parents_step(CREATE_VP, 0, 2) + parents_step(CREATE_VP, 0, 2) +
                         mapped(0, 5, READ_WRITE, 0x3C, 0x3D, 0xC) + mapped(0, 6, READ_ONLY, 0x3D) + mapped(0, 9, READ_WRITE, 0x10) +
                         pages(0, 44) + parents_step(UNMAP, 0, 5, 0) + pages(0, 44) + parents_step(SIMP, 0x8E) +
                         parents_step(BALANCE, 0) + parents_step(DELETE_VP, 0, 2) + parents_step(DELETE_VP, 0, 2) +
                         parents_step(FINALIZE, 0) + parents_step(CREATE_VP, 0, 0),
    "a-map-of-many-runs": made(0) + b"".join(mapped(0, 2 * page, NOTHING, 0) for page in range(14)) +
                          parents_step(UNMAP, 0, 0, 9) + mapped(0, 0, READ_WRITE, 0xC, 0xE, 0xD) + parents_step(UNMAP, 0, 1, 0) +
                          parents_step(CREATE_VP, 4, 0) + mapped(4, 0, NOTHING, 0) + parents_step(UNMAP, 4, 0, 0),
    "a-life": made(0) + parents_step(BALANCE, 0) + parents_step(ENUMERATE) + parents_step(FINALIZE, 0) +
              parents_step(WITHDRAW, 0, 59) + parents_step(DELETE, 0),
    "pages-in-the-way": parents_step(CREATE, 0) + parents_step(SIMP, 0x85) + pages(0, 0, 1, 5, 6) + pages(0, 0) +
                        pages(0, 2, 2) + pages(0, 0x30, 0x31) + parents_step(SIMP, 0) + pages(0, 5),
    "limits": (parents_step(CREATE, 0) * 3 + parents_step(CREATE, 1) + parents_step(INITIALIZE, 1) +
               parents_step(DELETE, 0) * 2),
    "strangers": parents_step(CREATE, 0, guest=1) + b"".join(
        parents_step(what, 4) for what in (INITIALIZE, FINALIZE, DELETE, BALANCE)) + pages(4, 1) +
        parents_step(WITHDRAW, 4, 1) + parents_step(RIGHTS, 4, 0),
    "a-host-that-refuses": parents_step(HOST, 0) + parents_step(CREATE, 0) + parents_step(HOST, 1) +
                           parents_step(CREATE, 0) + pages(0, 1, 2, 3) + parents_step(HOST, 3) + pages(0, 1, 2, 3),
    "rights": parents_step(CREATE, 0) + parents_step(RIGHTS, 0, 0x64) + parents_step(RIGHTS, 0, 0xC0) +
              parents_step(WITHDRAW, 0, 0) + made(1) + parents_step(RIGHTS, 1, 0),
    "left-behind": made(0) + made(0, guest=1) + parents_step(CREATE, 0),
}

# fuzz_partitions


def act(what, seat, *rest, by_parent=False):
    return bytes([what | seat << 4 | by_parent << 6, *rest])


BIG, SMALL, OF_ROOT = 0, 1, 4
two = act(0, 0, OF_ROOT, BIG) + act(0, 1, OF_ROOT, BIG)
MESSAGE, EVENT, MONITOR = 0, 1, 2
ANY = 3


def channel(number, kind, sint=2, vp=0, flags=8, page=0):
    return act(1, 0, number, 1, kind, sint, vp, flags) + act(3, 1, number, 0, number, page)


partitions = {
    "messages": two + channel(1, MESSAGE) + act(5, 1, 1) * 4 + act(7, 0, 0, 2) * 4,
    "full-buffers": two + channel(1, MESSAGE) + act(5, 1, 1) * 19 + act(8, 0, 0, 2) + act(5, 1, 1) + act(13, 0, 9),
    "deleted-while-queued": two + channel(1, MESSAGE) + act(5, 1, 1) * 3 + act(2, 0, 1) +
                            act(7, 0, 0, 2) * 2 + act(5, 1, 1),
    "two-ports-one-slot": two + channel(1, MESSAGE) + channel(2, MESSAGE) + (act(5, 1, 1) + act(5, 1, 2)) * 3 +
                          act(2, 0, 1) + act(7, 0, 0, 2) * 4,
    "any-vp": two + channel(1, MESSAGE, vp=ANY) + act(11, 0, 1, 0, 1) + act(5, 1, 1) * 3 +
              act(9, 0, 1, 0) + act(5, 1, 1) * 20,
    "events": two + channel(2, EVENT) + act(6, 1, 2, 3) * 2 + act(6, 1, 2, 9) + act(10, 0, 0, 1, 1) + act(6, 1, 2, 3),
    "removed-receiver": two + channel(1, MESSAGE) + act(5, 1, 1) * 3 + act(0, 0) + act(5, 1, 1) + act(4, 1, 1),
    "removed-sender": two + channel(1, MESSAGE) + act(5, 1, 1) * 3 + act(0, 1) + act(7, 0, 0, 2) * 2,
    "children": act(0, 0, OF_ROOT, BIG) + act(0, 1, 0, BIG) + act(0, 2, 1, SMALL) +
                act(1, 1, 1, 2, MESSAGE, 2, 0, 0, by_parent=True) + act(0, 0) + act(2, 1, 1, by_parent=True),
    "small-pool": act(0, 0, OF_ROOT, SMALL) + act(0, 1, OF_ROOT, BIG) +
                  b"".join(channel(n, MESSAGE) for n in (1, 2, 3, 0x11, 0x12)),
    "monitor": two + channel(2, EVENT) + channel(3, MONITOR, flags=1, page=1) + act(12, 1, 1, 5, 2, 3) +
               act(13, 0, 20) * 3 + act(4, 1, 3) + act(2, 0, 3),
    "root": act(0, 0, OF_ROOT, BIG) + act(15, 0, 1, 0) + act(3, 0, 1, 4, 1, 0) + act(5, 0, 1) * 2 + act(15, 0, 1, 0) +
            act(5, 0, 1),
    "inactive": two + channel(1, MESSAGE) + act(5, 1, 1) * 2 + act(14, 0) + act(5, 1, 1) + act(2, 0, 1) + act(14, 0),
    "inactive-receiver": two + act(1, 0, 1, 1, MESSAGE, 2, 0, 0) + act(14, 0) + act(3, 1, 1, 0, 1, 0) + act(14, 0) +
                         act(14, 1) + act(3, 1, 1, 0, 1, 0) + act(14, 1) + act(3, 1, 1, 0, 1, 0),
    "pages-off": two + channel(1, MESSAGE) + act(5, 1, 1) * 3 + act(9, 0, 0, 5) + act(5, 1, 1) + act(9, 0, 0, 7) +
                 act(7, 0, 0, 2) * 3,
}

# fuzz_vmbus: a step's first byte is what | n << 3

CONTACT, REQUEST_OFFERS, GPADL, OPEN, CLOSE, TEAR_DOWN, MODIFY, RELEASE = (1 | kind << 3 for kind in range(8))
RUN, TAKE = b"\x0a", b"\x1b" * 2  # executor, 8 ms; two times four messages


def said(kind, *fields):
    return bytes([kind, *fields]) + RUN + TAKE


def bus_memory(page, offset, data):
    return b"\x04" + struct.pack("<BH", page, offset) + counted(data)


def packet(kind, transaction, payload, header=b""):
    offset, length = 2 + len(header) // 8, 2 + (len(header) + len(payload)) // 8
    return struct.pack("<HHHHQ", kind, offset, length, 1, transaction) + header + payload + bytes(8)


def in_ring(*packets):
    data = b"".join(packets)
    return bus_memory(17, 0, data) + bus_memory(16, 0, struct.pack("<I", len(data)))


def act(kind, device, *fields):
    return bytes([7 | (kind * 3 + device) << 3, *fields])


CONTACTED = said(CONTACT, 0, 0, 0) + said(REQUEST_OFFERS)
OPENED = CONTACTED + said(GPADL, 1, 1, 16, 0, 7) + said(OPEN, 1, 1, 1, 4)
SERVE, SIGNAL = b"\x06", act(5, 0, 1)
one_range = struct.pack("<IIIIQ", 0, 1, 4000, 96, 40)
vmbus = {
    "contact": CONTACTED,
    "contact-old": said(CONTACT, 0xE2, 7, 0, 7, 0, 1, 0),
    "contact-twice": OPENED + CONTACTED,
    "raw": b"\x00\x28\x0e" + bytes(7) + b"\x03\x00\x05" + bytes(29) + RUN + TAKE,
    "open": OPENED + SIGNAL + SERVE,
    "packets": OPENED + in_ring(packet(6, 1, bytes(8)), packet(9, 2, bytes(16), one_range)) + SIGNAL + SERVE,
    "wrapped": OPENED + bus_memory(16, 0, struct.pack("<II", 16, 0x2ff0)) + SERVE,
    "broken": OPENED + in_ring(b"\xff" * 48) + SERVE + said(CLOSE, 1) + said(OPEN, 1, 1, 0, 4),
    "full": OPENED + bus_memory(20, 4, struct.pack("<I", 8)) + in_ring(*[packet(6, 1, bytes(64))] * 2) + SERVE,
    "changing": OPENED + in_ring(packet(6, 1, bytes(8))) + b"\x05\x01" + value(0x18) + b"\x03" + SERVE,
    "torn-down": OPENED + said(GPADL, 1, 2, 40, 0, 3) + act(4, 0, 2) + said(TEAR_DOWN, 1, 2) + said(TEAR_DOWN, 1, 1)
    + act(2, 0) + said(CLOSE, 1) + act(3, 0) + RUN + TAKE,
    "many-pages": CONTACTED + said(GPADL, 1, 1, 0, 0, 23) + said(GPADL, 1, 2, 0xE2, 0, 0, 1, 0, 0, 2),
    "modify": OPENED + said(MODIFY, 1, 0) + said(MODIFY, 1, 9),
    "withdrawn": OPENED + act(1, 0) + RUN + TAKE + said(RELEASE, 1) + act(0, 0, 0) + RUN + TAKE,
    "sub-channels": OPENED + act(0, 0, 1) + act(0, 0, 2) + RUN + TAKE + said(GPADL, 4, 9, 24, 0, 7)
    + said(OPEN, 4, 9, 0, 4) + said(CLOSE, 1) + said(RELEASE, 4),
    "unload": OPENED + act(2, 0) + b"\x00\x08\x10" + bytes(7) + RUN + act(3, 0) + RUN + TAKE,
    "flood": CONTACTED + bytes([REQUEST_OFFERS]) * 70 + RUN + bytes([REQUEST_OFFERS]) * 70 + RUN + TAKE,
}
