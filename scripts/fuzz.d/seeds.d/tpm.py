"""Seeds of fuzz_tpm."""
from encoding import counted, value

SIZES = {1: 0, 2: 1, 4: 2, 8: 3}


def register(offset, written=None, size=4):
    return bytes([0x80 if written is None else 0]) + value(offset) + bytes([SIZES[size]]) + value(written or 0)


def command(data):
    return b"\x01" + counted(data)


def answer(size):
    return b"\x02" + value(size)


PAUSE = b"\x03"
GET_RANDOM = b"\x0c\x01\x00\x00\x00\x0c\x00\x00\x01\x7b\x00\x08"  # its first byte is its size, too

tpm = {
    "recognise": b"".join(register(offset) for offset in (0x30, 0x34, 0x00, 0x0C, 0x58, 0x5C, 0x60, 0x64, 0x68)),
    "command": command(GET_RANDOM) + register(0x4C) + answer(20) + register(0x80, size=8) + register(0x40, 2),
    "failed": command(GET_RANDOM) + answer(0) + register(0x44) + command(GET_RANDOM) + answer(10),
    "largest": command(b"\x00\x00" + (3006).to_bytes(4, "big") + bytes(3000)) + answer(3968) + register(0xFFC),
    "sizes": command(b"\x09" + bytes(20)) + command(b"\xff" + bytes(300)) + answer(3968) + command(bytes(12)),
    "twice": command(GET_RANDOM) + command(GET_RANDOM) + register(0x4C, 1) + register(0x08, 2) + answer(12),
    "without_locality": register(0x08, 2) + register(0x40, 1) + register(0x80, 0x0C) + register(0x4C, 1),
    "at_rest": command(GET_RANDOM) + PAUSE + answer(20) + register(0x4C) + PAUSE + register(0x4C) + PAUSE,
    "widths": b"".join(register(0x84, 0x1122334455667788, size) + register(0x80, size=size) for size in SIZES),
}
