"""Seeds of fuzz_firmware."""
from encoding import counted, value

BLOCK = 4096
SIZES = {1: 0, 2: 1, 4: 2, 8: 3}


def flash(offset, written=None, size=1):
    return bytes([0x80 if written is None else 0]) + value(offset) + bytes([SIZES[size]]) + value(written or 0)


def program(offset, data):
    return b"\x01" + value(offset) + counted(data)


def erase(block):
    return bytes([2, block])


def register(offset, written=None, size=4):
    return bytes([0x83 if written is None else 3, offset, SIZES[size]]) + value(written or 0)


def request(operation, unit, block, buffer, count):
    return bytes([4, operation, unit]) + value(block) + value(buffer) + value(count)


def memory(offset, number):
    return b"\x05" + value(offset) + value(number)


def network(offset, written=None, size=4):
    return bytes([0xA3 if written is None else 0x23, offset, SIZES[size]]) + value(written or 0)


def console(offset, written=None, size=4):
    return bytes([0xC3 if written is None else 0x43, offset, SIZES[size]]) + value(written or 0)


def point(buttons, x, y):
    return bytes([0x66, buttons]) + value(x | y << 16)


def frames(size, to, count=None, taken=False):
    """To the card, to all or to another one; with the network taken from the firmware first."""
    what = bytes([0x85 | (0 if count is None else 0x40) | (0x20 if taken else 0)]) + value(size) + bytes([to])
    return what if count is None else what + bytes([count])


def answer(how):
    return bytes([6, how])


def changing(loads, change, times):
    return bytes([7, loads]) + value(change) + bytes([times])


IDENTIFY, READ, WRITE, FLUSH = 1, 2, 3, 4
PRESENT, FILTER, ADDRESS_LOW, ADDRESS_HIGH, SEND, RECEIVE, WAITING = 0x00, 0x24, 0x28, 0x2C, 0x30, 0x34, 0x38
OWN, ALL, OTHER = 0, 1, 2
MOST = (1 << 20) // 512  # blocks, of a disk of this size: all of it

# What OVMF does at its first start: probe, then a store's header, variables, and a rewrite of the store.
PROBE = flash(0, 0x50) + flash(0) + flash(0, 0x70) + flash(0) + flash(0, 0xFF)
HEADER = bytes(16) + bytes(range(16)) + b"\x00\x40\x08\x00" + bytes(4) + b"_FVH" + bytes(28)

firmware = {
    "probe": PROBE,
    "variable": PROBE + program(0x64, b"\xaa\x55\x3f\x00" + bytes(56) + b"B\0o\0o\0t\0") + flash(0x64, 0xFF) +
                program(0x66, b"\x3d") + flash(0x66, 0xFF) + flash(0x64, size=8),
    "rewrite": PROBE + b"".join(erase(block) for block in range(64)) +
               b"".join(program(block * BLOCK, HEADER + bytes(BLOCK - len(HEADER))) for block in range(8)) +
               flash(0, 0xFF),
    "across-blocks": program(BLOCK - 3, b"123456") + flash(0, 0xFF) + program(132 * BLOCK - 2, b"1234") + flash(0, 0xFF),
    "erase-unconfirmed": flash(5, 0x20) + flash(5, 0x10) + flash(5) + flash(5, 0x50) + flash(5, 0x70) + flash(5),
    "wide": flash(8, 0x40, 8) + flash(8, 0x1122334455667788, 8) + flash(8, size=4) + flash(8, 0xFF, 8) + flash(8, size=8),
    "identify": b"".join(request(IDENTIFY, unit, 0, 0x2000, 0) for unit in range(4)) + register(0x10) + register(0x0C),
    "read": request(READ, 0, 0, 0x2000, 1) + request(READ, 0, 1, 0x3000, 33) + request(READ, 2, 16, 0x8000, 16),
    "write": memory(0x2000, 0x1234) + request(WRITE, 0, 7, 0x2000, 8) + request(FLUSH, 0, 0, 0, 0) +
             request(READ, 0, 7, 0x4000, 8) + request(WRITE, 2, 0, 0x2000, 1),
    "edges": request(READ, 0, MOST, 0, 0) + request(READ, 0, MOST - 1, 0x2000, 1) + request(READ, 0, MOST - 1, 0x2000, 2) +
             request(READ, 0, 0, 0, 128) + request(READ, 0, 0, 64 * BLOCK - 512, 1) +
             request(READ, 0, 0, 64 * BLOCK - 512, 2) + request(READ, 0, 0, 0, MOST + 1) + request(READ, 0, 0, 4, 1),
    "later": request(READ, 1, 0, 0x2000, 1) + request(READ, 1, 1, 0x2000, 1) + register(0x0C) + answer(0) +
             register(0x0C) + request(WRITE, 1, 2, 0x2000, 3) + answer(1) + request(FLUSH, 1, 0, 0, 0) + answer(2),
    "registers": b"".join(register(offset) + register(offset, 0x1000) for offset in range(0, 0x18, 4)) +
                 register(0, size=8) + register(8, 1, 1) + register(4, 0xFFFFFFFF) + register(8, 1) + register(0x0C),
    "network": b"".join(network(offset) for offset in range(0, 0x40, 4)) + network(FILTER, 5) +
               network(ADDRESS_LOW, 0x2000) + network(SEND, 60) + network(SEND) + frames(60, OWN) + frames(342, ALL) +
               frames(60, OTHER) + network(WAITING) + network(RECEIVE) + network(RECEIVE) + network(RECEIVE) + network(FILTER, 0),
    "network-flood": network(FILTER, 8) + frames(1518, OTHER, 127) + network(WAITING) + network(RECEIVE) + frames(60, OWN, 3) +
                     network(FILTER, 0) + frames(60, OWN) + network(RECEIVE),
    "network-edges": network(FILTER, 0xFFFFFFFF) + b"".join(frames(size, OWN) for size in (13, 14, 1518, 1519, 2047)) +
                     b"".join(network(ADDRESS_LOW, 64 * BLOCK - room) + network(RECEIVE) + network(SEND, 1518) + network(SEND, 14)
                              for room in (1518, 1517, 14, 13, 0)) +
                     network(ADDRESS_HIGH, 0xFFFFFFFF) + network(SEND, 60) + network(RECEIVE) + network(SEND, 0xFFFFFFFF) +
                     network(SEND, 13) + network(ADDRESS_HIGH, size=8) + network(SEND, 60, 8) + network(RECEIVE, size=1),
    "network-taken": network(FILTER, 15) + network(ADDRESS_LOW, 0x2000) + frames(60, OWN, 5) + frames(60, OWN, 2, True) +
                     network(RECEIVE) + network(SEND, 60) + network(FILTER, 15) + network(FILTER) + frames(60, ALL) + network(RECEIVE),
    "pointer": point(1, 2, 3) + console(0x18, 1) + console(0x18) + point(0, 1, 2) + point(0, 3, 4) + point(1, 3, 4) + point(0, 0x7FFF, 0x7FFF) +
               (console(0x1C) + console(0x20)) * 4 + console(0x1C, size=8) + point(1, 5, 6) + console(0x18, 1) + console(0x1C) +
               b"".join(point(n % 2, n, n) for n in range(80)) + console(0x1C) + console(0x18, 0) + point(0, 0, 0),
    "changing": changing(1, 0xFF, 7) + request(READ, 0, 0, 0x2000, 1) + changing(2, 1 << 32, 7) +
                request(WRITE, 0, 3, 0x2000, 5),
}
