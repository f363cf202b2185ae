"""Seeds of fuzz_files."""
from encoding import value

IN_MEMORY, LARGE_BLOCKS, READ_ONLY = 1, 2, 4


def image(how, blocks):
    return bytes([how]) + value(blocks - 1)


def write(place, filling, *lengths):
    return b"\x00" + value(place) + bytes([len(lengths) - 1]) + bytes(n - 1 for n in lengths) + bytes([filling])


def read(place, *lengths):
    return b"\x01" + value(place) + bytes([len(lengths) - 1]) + bytes(n - 1 for n in lengths)


def discard(place, length):
    return b"\x03" + value(place) + value(length - 1)


def zeroes(place, length):
    return b"\x04" + value(place) + value(length - 1)


def resize(sectors):
    return b"\x05" + value(sectors)


FLUSH, DROP = b"\x02", b"\x06"
files = {
    f"{name}-{where}": image(how | memory, 100) + steps
    for where, memory in (("disk", 0), ("memory", IN_MEMORY))
    for name, how, steps in (
        ("write-read", 0, write(8, 0x41, 8) + read(0, 16) + write(3, 0x42, 1, 2, 3, 4) + FLUSH + DROP + read(0, 16, 1, 1)),
        ("holes", 0, write(0, 0x43, 16, 16) + discard(4, 8) + zeroes(1, 3) + zeroes(20, 40) + read(0, 16, 16) + FLUSH),
        ("large-blocks", LARGE_BLOCKS, write(8, 0x44, 2, 1) + read(0, 5) + discard(8, 8) + zeroes(24, 9)),
        ("read-only", READ_ONLY, read(0, 16, 16) + FLUSH + DROP + read(90, 16)),
        ("shrunk", 0, write(0, 0x45, 16) + resize(8) + read(0, 16) + read(0, 8) + write(0, 0x46, 1) + FLUSH + discard(0, 4) +
         zeroes(0, 4) + resize(0) + read(0, 1) + resize(100) + read(0, 16) + write(50, 0x47, 4) + FLUSH),
        ("grown", 0, resize(300) + write(90, 0x48, 16) + read(80, 16) + zeroes(99, 1)),
    )
}
