"""Seeds of fuzz_nbd, fuzz_sockets, fuzz_console and fuzz_registers."""
import struct

from encoding import counted, value

# fuzz_nbd: NBD's doc/proto.md

READ, WRITE, FLUSH, DISCARD, ZEROES = range(5)
HAS_FLAGS, READ_ONLY, CAN_FLUSH, CAN_TRIM, CAN_ZERO = 1, 2, 4, 32, 64
WHOLE = HAS_FLAGS | CAN_FLUSH | CAN_TRIM | CAN_ZERO


def honest(size=1 << 20, flags=WHOLE):
    return b"\x01" + value(size) + struct.pack("<H", flags)


def want(operation, block, *lengths):
    step = bytes([0, operation]) + value(block)
    if operation in (READ, WRITE):
        return step + bytes([len(lengths) - 1]) + b"".join(value(n - 1) for n in lengths)
    return step + (b"" if operation == FLUSH else value(lengths[0]))


def look(times=8):
    return bytes([1, times])


def says(data):
    return b"\x02" + counted(data)


def reply(number, error=0, size=0):
    return b"\x03" + value(number) + value(error) + value(size)


def chunk(number, kind, payload=b"", flags=1):
    return b"\x04" + value(number) + struct.pack("<BH", flags, kind) + counted(payload)


TAKE, SILENT, GONE = b"\x05", b"\x06\x00", b"\x06\x01"


def big(layout, *numbers):
    return struct.pack(">" + layout, *numbers)


def option_reply(option, kind, payload=b""):
    return big("QIII", 0x0003E889045565A9, option, kind, len(payload)) + payload


GREETING = b"NBDMAGIC" + b"IHAVEOPT" + big("H", 3)
ACK, INFO = 1, 3
UNSUPPORTED = (1 << 31) + 1
OPT_GO, OPT_STRUCTURED = 7, 8
EXPORT = big("HQH", 0, 1 << 20, WHOLE | 1 << 7)
BLOCK_SIZES = big("HIII", 3, 512, 4096, 1 << 20)


def new_style(structured, *rest):
    """All that a server says that speaks the fixed newstyle, and then `rest`."""
    said = GREETING + option_reply(OPT_STRUCTURED, ACK if structured else UNSUPPORTED)
    return said + option_reply(OPT_GO, INFO, EXPORT) + option_reply(OPT_GO, INFO, BLOCK_SIZES) + \
        option_reply(OPT_GO, ACK) + b"".join(rest)


def simple(number, error=0, data=b""):
    return big("IIQ", 0x67446698, error, number) + data


def structured(number, kind, payload=b"", flags=1):
    return big("IHHQI", 0x668E33EF, flags, kind, number, len(payload)) + payload


def all_said(data):
    return b"\x00" + counted(data)


nbd = {
    "read": honest() + want(READ, 0, 1) + look() + reply(1, 0, 512) + look() + TAKE,
    "pieces": honest() + want(WRITE, 8, 8, 8) + want(READ, 8, 8, 1, 7) + look() + reply(1) + reply(2, 0, 8192) + look(15),
    "write-flush": honest() + want(WRITE, 0, 8) + want(FLUSH, 0) + look() + reply(1) + look() + reply(2) + look(),
    "discard-zeroes": honest() + want(DISCARD, 0, 16) + want(ZEROES, 16, 16) + look() + reply(1) + reply(2) + look(),
    "cannot-zero": honest(flags=HAS_FLAGS) + want(ZEROES, 0, 4096) + want(DISCARD, 0, 1) + want(FLUSH, 0) + look(15) * 3 + TAKE +
                   reply(1) + look(15) * 3 + TAKE + reply(2) + look(),
    "errors": honest() + b"".join(want(WRITE, n, 1) for n in range(6)) + look() +
              b"".join(reply(n + 1, error) for n, error in enumerate((5, 28, 22, 1, 12, 108))) + look(15),
    "read-only": honest(flags=HAS_FLAGS | READ_ONLY) + want(WRITE, 0, 1) + look(),
    "unknown-number": honest() + want(READ, 0, 1) + look() + reply(77, 0, 512) + look() * 2,
    "wrong-magic": honest() + want(READ, 0, 1) + look() + says(b"\x67" * 16) + look() * 2 + want(READ, 0, 1),
    "cut": honest() + want(READ, 0, 8) + look() + reply(1, 0, 100) + look() + GONE + look(),
    "too-much": honest() + want(READ, 0, 1) + look() + reply(1, 0, 1000) + look(15),
    "structured-unasked": honest() + want(READ, 0, 1) + look() + chunk(1, 1, big("Q", 0) + bytes(512)) + look(),
    "gone-at-once": honest() + GONE + want(WRITE, 0, 1) + look(),
    "sizes": honest(0) + honest((1 << 63) + 5) + honest(1 << 62),
    "new-simple": all_said(new_style(False, simple(1, 0, bytes(512)), simple(2, 5))) + want(READ, 0, 1) + want(WRITE, 0, 1) + look(15),
    "new-structured": all_said(new_style(True, structured(1, 1, big("Q", 0) + bytes(256), 0), structured(1, 2, big("QI", 256, 256)),
                                         structured(2, 0x8001, big("IH", 5, 2) + b"no"), structured(3, 0))) +
                      want(READ, 0, 1) + want(READ, 0, 1) + want(WRITE, 0, 1) + look(15) * 2,
    "chunk-outside": all_said(new_style(True, structured(1, 1, big("Q", 1 << 40) + bytes(64)))) + want(READ, 0, 1) + look(15),
    "hole-outside": all_said(new_style(True, structured(1, 2, big("QI", 0, 1 << 30)))) + want(READ, 0, 1) + look(15),
    "refused": all_said(GREETING + option_reply(OPT_STRUCTURED, UNSUPPORTED) + option_reply(OPT_GO, UNSUPPORTED + 5, b"unknown")),
    "no-nbd": all_said(b"HTTP/1.1 400 Bad Request\r\n\r\n" + bytes(200)),
    "half-a-greeting": all_said(GREETING[:11]),
    "endless-option": all_said(GREETING + big("QIII", 0x0003E889045565A9, OPT_STRUCTURED, ACK, 0xFFFFFFFF) + bytes(100)),
}
WITH_DISK = 2
nbd |= {f"disk-{name}": bytes([seed[0] | WITH_DISK]) + seed[1:] for name, seed in nbd.items()}

# fuzz_sockets

CLIENT = b"\x00\x00"


def client_says(text, client=0):
    return bytes([1, client]) + counted(text)


def client_reads(client=0):
    return bytes([2, client])


def client_ends(client=0, goes=False):
    return bytes([3, client, goes])


def ask(port, endpoint=0):
    return bytes([4, endpoint * 2]) + value(port)


def open_channel(channel=0, pages=7):
    return bytes([5, channel, pages])


def data(text, channel=0, kind=0, size=0):
    return bytes([6, channel]) + value(kind) + value(size) + counted(text)


def any_packet(kind, payload, channel=0, header=0):
    return bytes([7, channel, kind, 0, header]) + counted(payload)


def guest_reads(channel=0):
    return bytes([8, channel])


def control(word, number, channel=0):
    return bytes([9, channel, word]) + value(number)


def close(channel=0):
    return bytes([10, channel])


def packets(count, channel=0):
    return bytes([13, channel, count])


FLOOD = b"\x0c\x00"
PATIENT, HASTY = b"\x00", b"\x01"
TO_GUEST = PATIENT + CLIENT + client_says(b"CONNECT 1234\n") + open_channel()
TO_HOST = PATIENT + ask(1) + open_channel()
sockets = {
    "to-guest": TO_GUEST + client_reads() + client_says(b"hello") + guest_reads() + data(b"world") + client_reads() +
                data(b"") + client_ends() + guest_reads() + close(),
    "to-host": TO_HOST + data(b"GET /\r\n") + client_reads() + client_says(b"200") + guest_reads() + client_ends() + data(b""),
    "refused": PATIENT + ask(2) + ask(1) + ask(1) + ask(1, 1) + b"\x04\x01" + value(1) + bytes(range(16)),
    "handshakes": PATIENT + b"".join(CLIENT + client_says(text, n) for n, text in enumerate((
        b"CONNECT 1", b"CONNECT 4294967295\n", b"CONNECT 4294967296\n", b"CONNECT -1\n", b"CONNECT  1\n", b"connect 1\n",
        b"CONNECT 1\r\n", b"\n", b"x" * 40, b"CONNECT 1\nright after"))) + client_says(b"\n") + open_channel(0) + guest_reads(),
    "goes-while-offered": PATIENT + CLIENT + client_says(b"CONNECT 5\n") + client_ends(0, True) + open_channel() + data(b"x"),
    "hasty": HASTY + CLIENT + CLIENT + client_says(b"CONNECT 5\n") + ask(1) + open_channel(),
    "no-room-for-guest": TO_GUEST + FLOOD + guest_reads() * 3 + client_says(b"x") + guest_reads(),
    "no-room-for-host": PATIENT + CLIENT + client_says(b"CONNECT 9\n") + open_channel(0, 15) +
                        (packets(6) + data(b"y")) * 8 + client_reads() * 99 + data(b""),
    "small-ring": PATIENT + CLIENT + client_says(b"CONNECT 9\n") + open_channel(0, 0) + client_says(b"z" * 5000) +
                  guest_reads() + guest_reads(),
    "nonsense": TO_GUEST + data(b"abc", kind=2) + TO_GUEST[1:] + data(b"abc", 1, 0, 4) + any_packet(11, bytes(24), 1, 2),
    "after-the-end": TO_GUEST + data(b"") + data(b"more"),
    "short-packet": TO_HOST + any_packet(6, b"\1\0\0\0"),
    "indices": TO_GUEST + control(0, 0xFFFFFFF8) + ask(1) + open_channel(1) + control(1, 4096, 1) + client_says(b"x") +
               control(4, 1, 1) + control(6, 100, 1),
    "many-clients": PATIENT + CLIENT * 270 + client_says(b"CONNECT 1\n", 3) + open_channel(),
    "changing": TO_GUEST + b"\x0b\x00\x02" + value(0xFFFF) + b"\x03" + data(b"hello") + b"\x0b\x00\x00" + value(1 << 31) + b"\x07" +
                client_says(b"abc") + guest_reads(),
    "bad-end-of-host": TO_HOST + client_ends(0, True) + data(b"to nobody") * 2 + data(b""),
}

# fuzz_console


def waits_for(text):
    return bytes([len(text)]) + text


def keys(text):
    return b"\x00" + counted(text)


def printed(text):
    return b"\x01" + counted(text)


console = {
    "quit": waits_for(b"") + keys(b"ls\r\x01x") + keys(b"\x01X\x01h\x01?\x01H"),
    "cut-escape": waits_for(b"") + keys(b"a\x01") + keys(b"") + keys(b"ab\x01") + keys(b"\x01\x01") + keys(b"x"),
    "unknown": waits_for(b"") + keys(b"\x01q\x01\x01\x01\x1b[A"),
    "lines": waits_for(b"login:") + printed(b"Linux\r\nlo") + printed(b"gin") + printed(b": \n\n\x1b[2Jx\ty\x7f\x00") + printed(b"\xc3\xa4"),
    "repeats": waits_for(b"aabaa") + printed(b"aaabaabaaab") + printed(b"aa") + printed(b"aabaabaabaa"),
    "long-line": waits_for(b"#") + printed(b"x" * 4096) + printed(b"y") + printed(b"\n" * 3) + printed(b"z" * 9000 + b"#"),
}

# fuzz_registers

# Of HV_REGISTER_NAME (hv/abi/register_name.hpp).
PENDING_INTERRUPTION, INTERRUPT_STATE = 0x1_0002, 0x1_0003
RIP = 0x2_0010
CR0, CR4, CR8, IDTR = 0x4_0000, 0x4_0003, 0x4_0004, 0x7_0000
MODEL_SPECIFIC = {"tsc": 0x8_0000, "efer": 0x8_0001, "kernel_gs_base": 0x8_0002, "apic_base": 0x8_0003, "pat": 0x8_0004,
                  "sysenter_cs": 0x8_0005, "sysenter_eip": 0x8_0006, "sysenter_esp": 0x8_0007, "star": 0x8_0008,
                  "lstar": 0x8_0009, "cstar": 0x8_000A, "sfmask": 0x8_000B, "initial_apic_id": 0x8_000C,
                  "mtrr_cap": 0x8_000D, "mtrr_def_type": 0x8_000E, "mtrr_fix64k_00000": 0x8_0070,
                  "mtrr_fix16k_80000": 0x8_0071, "mtrr_fix16k_a0000": 0x8_0072, "tsc_aux": 0x8_007B,
                  "debug_ctl": 0x8_007D, "spec_ctrl": 0x8_0084, "tsx_ctrl": 0x8_0088, "xss": 0x8_008B,
                  "tsc_adjust": 0x8_0096, "misc_enable": 0x8_00A0}
MODEL_SPECIFIC |= {f"mtrr_phys_base{n}": 0x8_0010 + n for n in range(16)}
MODEL_SPECIFIC |= {f"mtrr_phys_mask{n}": 0x8_0040 + n for n in range(16)}
MODEL_SPECIFIC |= {f"mtrr_fix4k_{0xC0 + 8 * n:x}000": 0x8_0073 + n for n in range(8)}
WORDS = [PENDING_INTERRUPTION, INTERRUPT_STATE] + [0x2_0000 + n for n in range(18)] + \
    [0x3_0000 + n for n in (0, 15, 16, 23, 24, 25)] + [CR0 + n for n in range(6)] + \
    [0x5_0000 + n for n in range(6)] + [0x6_0000 + n for n in range(8)] + [IDTR, IDTR + 1]
NAMES = WORDS + sorted(MODEL_SPECIFIC.values())
KERNEL_MSRS = (0x10, 0x48, 0x174, 0x175, 0x176, 0x277, 0x1D9, 0x2FF, 0xC000_0081, 0xC000_0082, 0xC000_0102, 0xC000_0103)


def name_of(name):
    return bytes([name >> 16, name & 0xFF])


def get(name):
    return b"\x00" + name_of(name)


def put(name, low, high=0):
    return b"\x01" + name_of(name) + value(low) + value(high)


def started(*changes):
    return bytes([2, len(changes)]) + b"".join(bytes([place]) + value(number) for place, number in changes)


def state(which, offset, content):
    return bytes([3, which]) + value(offset) + counted(content)


REFUSES_NEXT, REFUSES_SECOND = b"\x04\x00", b"\x04\x01"
INJECT = b"\x07"
LONG_MODE = ((23, 0x500), (24, 0x8000_0011), (25, 0x1000), (26, 0x20), (0, 0x20_0000))


def vector(number, external=False):
    return bytes([6, 0 if external else 1, number])


PPR, SPURIOUS = 0xA0, 0xF0
ready = state(1, 17 * 8, struct.pack("<Q", 0x202)) + state(3, SPURIOUS, struct.pack("<I", 0x1FF))
registers = {
    "all-read": b"".join(map(get, NAMES)),
    "all-written": b"".join(put(name, 0) + put(name, 1) for name in NAMES),
    "high-halves": b"".join(put(name, 2, 1) for name in NAMES),
    "refused": b"".join(REFUSES_NEXT + put(name, 2) + REFUSES_SECOND + put(name, 2) + REFUSES_NEXT + get(name) for name in NAMES),
    "pending": b"".join(put(PENDING_INTERRUPTION, number) for number in (
        0x0041_0001, 0x0002_0005, 0x000D_0017 | 1 << 32, 0x000D_0007, 0x0003_0007, 0x0041_0003, 0x0141_0001, 0x0041_0021, 0)) +
               put(INTERRUPT_STATE, 3) + get(INTERRUPT_STATE) + put(INTERRUPT_STATE, 4) + get(PENDING_INTERRUPTION),
    "control": put(CR0, 0x8000_0001) + put(CR0, 0x8000_0000) + put(CR0, 0x2000_0000) + put(CR8, 16) +
               put(CR4, 1 << 12) + put(IDTR, 0x0FFF_0000_0000_0000, 1 << 56) + put(RIP, 1 << 55),
    "start": started(),
    "start-long": started(*LONG_MODE) + started(),
    "start-wrong": b"".join(started(change) for change in (
        (0, 1 << 50), (2, 2), (2, 1 << 40), (3, 1 << 60), (4, 1 << 56), (23, 0x400), (24, 1 << 31), (27, 3), (20, 1 << 55))),
    "start-refused": b"".join(bytes([4, n]) + started(*LONG_MODE) for n in range(8)),
    "unknown-msrs": b"".join(b"\x05\x01" + value(msr) for msr in KERNEL_MSRS) + b"".join(map(get, MODEL_SPECIFIC.values())) + started() +
                    b"".join(b"\x05\x00" + value(msr) + put(name, 1) for msr in (0x175, 0xC000_0082)
                             for name in (MODEL_SPECIFIC["sysenter_esp"], MODEL_SPECIFIC["lstar"])),
    "without-xsave": b"\x05\x01" + value(0) + put(CR0 + 5, 1) + put(CR0 + 5, 3) + get(CR0 + 5) + b"\x05\x00" + value(0) + put(CR0 + 5, 3),
    "inject": ready + vector(0x41) + vector(0x51) + INJECT + state(2, 0, bytes(64)) + INJECT,
    "inject-later": vector(0x41) + INJECT + ready + state(3, PPR, b"\x50") + INJECT + state(3, PPR, b"\0") + INJECT,
    "inject-disabled": state(1, 17 * 8, struct.pack("<Q", 0x202)) + vector(0x41) + INJECT + vector(0x30, True) + INJECT,
    "inject-refused": ready + b"".join(vector(0x41) + vector(0x30, True) + bytes([4, n]) + INJECT for n in range(6)),
    "inject-behind": ready + state(2, 8, bytes([1, 0x30, 0, 1])) + vector(0x61) + INJECT + state(2, 0, bytes([1, 13, 1, 0])) + INJECT,
}
