"""How targets read numbers and bytes: hv/fuzz/input.hpp."""
import struct

ALL = 0xC2  # Input::value for 0xFFFFFFFF


def value(number):
    """Input::value for a number that has no shorter form."""
    if number < 0xC0:
        return bytes([number])
    if number < 1 << 16:
        return b"\xe1" + struct.pack("<H", number)
    if number < 1 << 32:
        return b"\xe2" + struct.pack("<I", number)
    return b"\xe3" + struct.pack("<Q", number)


def counted(data):
    """Input::counted_bytes."""
    return value(len(data)) + data
