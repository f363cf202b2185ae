"""Seeds of fuzz_ports and fuzz_pci."""
import struct

from encoding import counted, value

RANGES = ["com1", "rtc", "acpi_pm", "pci_address", "pci_data", "reset", "keyboard", "control_a", "console", "exit",
          "fw_cfg", "synic", "peer", "any"]


def port(name, offset=0):
    return bytes([RANGES.index(name)]) + (struct.pack("<H", offset) if name == "any" else bytes([offset]))


def out(name, offset, number, size=1):
    return b"\x00" + port(name, offset) + bytes([size // 2]) + value(number)


def into(name, offset=0, size=1):
    return b"\x01" + port(name, offset) + bytes([size // 2])


def typed(text):
    return b"\x02" + counted(text)


def passing(nanoseconds):
    return b"\x03" + value(nanoseconds)


BUTTON = b"\x04"


def memory(page, offset, data):
    return bytes([5, page]) + struct.pack("<H", offset) + counted(data)


def peer(operation, connection=0, number=0, kind=0, message=0, size=0, count=1, flag=0):
    return b"\x07" + b"".join(value(n) for n in (operation, connection, number, kind, message, size, count, flag))


def pci(slot, register, offset=0, size=4, written=None):
    reading = written is None
    return bytes([8, slot, register | (0x80 if reading else 0), offset, size // 2]) + value(written or 0)


def cmos(index, number=None):
    return out("rtc", 0, index) + (into("rtc", 1) if number is None else out("rtc", 1, number))


def synic(sint, vp, command, number):
    return out("synic", 0, sint | vp << 8 | command << 16 | number << 24, 4)


SECOND = 1_000_000_000
ports = {
    "uart-set-up": out("com1", 1, 0) + out("com1", 3, 0x83) + out("com1", 0, 1) + out("com1", 1, 0) +
                   out("com1", 3, 3) + out("com1", 2, 0xC7) + out("com1", 4, 0x0B) + out("com1", 1, 0x0F) +
                   out("com1", 0, 0x41) + b"".join(into("com1", n) for n in range(8)),
    "uart-input": out("com1", 2, 0xC7) + out("com1", 4, 0x0B) + out("com1", 1, 5) + typed(b"a" * 40) +
                  (into("com1", 2) + into("com1", 0)) * 18 + typed(b"b") + out("com1", 2, 0x03) + typed(b"cd"),
    "uart-loop": out("com1", 4, 0x1E) + into("com1", 6) + out("com1", 1, 0x0D) +
                 out("com1", 0, 0x55) * 3 + into("com1", 5) + into("com1", 0) + out("com1", 2, 1) +
                 out("com1", 0, 1) * 20 + typed(b"x") + into("com1", 5) + out("com1", 4, 0x1F) + into("com1", 6),
    "uart-wide": out("com1", 0, 0x01020304, 4) + into("com1", 0, 4) + into("com1", 6, 4) + out("com1", 7, 0xFFFF, 2),
    "clock-read": b"".join(cmos(n) for n in (*range(14), 0x14, 0x15, 0x17, 0x30, 0x32, 0x34, 0x5B, 0x5D, 0x7F)),
    "clock-set": cmos(0x0B, 0x82) + b"".join(cmos(n, v) for n, v in enumerate((0x59, 0, 0x59, 0, 0x23, 0, 7, 0x31, 0x12, 0x99))) +
                 cmos(0x32, 0x19) + cmos(0x0B, 0x02) + passing(2 * SECOND) + b"".join(cmos(n) for n in (0, 2, 4, 7, 8, 9, 0x32)),
    "clock-alarm": cmos(0x0B, 0x22) + cmos(1, 0xC0) + cmos(3, 0xFF) + cmos(5, 0xFF) + passing(3 * SECOND) + cmos(0x0C) +
                   passing(90 * SECOND) + cmos(0x0C),
    "clock-periodic": cmos(0x0A, 0x26) + cmos(0x0B, 0x42) + (passing(SECOND // 512) + cmos(0x0C)) * 4 + cmos(0x0A, 0x2F) +
                      passing(SECOND) + cmos(0x0C) + cmos(0x0B, 0x12) + passing(SECOND) * 2 + cmos(0x0C),
    "clock-held": cmos(0x0A, 0x70) + passing(SECOND * 5) + cmos(0) + cmos(0x0A, 0x26) + cmos(0x0B, 0x06) + cmos(4, 12) +
                  cmos(0x0B, 0x80) + cmos(8, 13) + cmos(7, 0) + cmos(0x0B, 0) + cmos(0x0B, 4) + cmos(7),
    "acpi": out("acpi_pm", 2, 0x0101, 2) + BUTTON + into("acpi_pm", 0, 2) + out("acpi_pm", 0, 0x0100, 2) +
            into("acpi_pm", 8, 4) + passing(600 * SECOND) * 3 + into("acpi_pm", 0, 2) + out("acpi_pm", 0, 1, 2) +
            into("acpi_pm", 4, 2) + into("acpi_pm", 2, 4),
    "acpi-off": out("acpi_pm", 4, 0x1400, 2) + out("acpi_pm", 4, 0x3400, 2) + out("acpi_pm", 5, 0x34) + out("acpi_pm", 4, 0x2000, 2),
    "resets": out("reset", 0, 2) + out("reset", 0, 6) + out("keyboard", 0, 0xFE) + into("keyboard") + into("reset") +
              out("control_a", 0, 3) + into("control_a") + out("keyboard", 0, 0xD1),
    "pci": pci(0, 0) + pci(0, 2) + pci(0, 3, 2, 1) + pci(0x29, 0, written=0x12345678) + pci(0x29, 0, 2, 2) +
           pci(0x29, 4, 3, 2) + pci(0x30, 0) + out("pci_address", 0, 0x80010000, 4) + into("pci_data", 0, 4) +
           into("pci_address", 0, 4) + into("pci_address", 0, 1),
    "firmware": b"".join(out("fw_cfg", 0, key, 2) + into("fw_cfg", 1) * 9 for key in (0, 1, 3, 5, 15, 77)) + into("fw_cfg", 0, 2),
    "console": out("console", 0, 0x41) + into("console") + out("console", 0, 0x41, 2) + out("exit", 0, 3, 4) + into("exit", 0, 4),
    "synic-device": synic(2, 0, 1, 0) + synic(2, 0, 4, 9) + synic(2, 1, 6, 9) + synic(2, 0, 5, 9) + synic(2, 0, 7, 9) +
                    synic(99, 9, 4, 9) + into("synic", 0, 4),
    "peer-listens": peer(5, number=1, kind=0) + peer(5, number=2, kind=1) + peer(6, number=1) + peer(7, number=1) +
                    peer(6, number=1) + peer(7, number=2) + peer(7, number=2),
    "peer-sends": synic(2, 0, 4, 9) + peer(1, 5, 0x1009, 0) + peer(2, 5, message=1, size=8, count=20) + peer(2, 5, message=0x80000001) +
                  peer(2, 5, message=1, size=241) + peer(3, 5, flag=3) + peer(4, 5) + peer(4, 5) + peer(9, 1),
    "peer-memory": memory(0x20, 0, struct.pack("<8IQ", 1, 5, 7, 0, 0, 0, 1, 0, 0)) + out("peer", 0, 0x2_0000, 4) +
                   out("peer", 0, 0x2_0004, 4) + out("peer", 0, 0xFFFF_FFF8, 4) + out("peer", 0, 0x3_FFF8, 4) +
                   into("peer", 0, 4) + b"\x06\x02" + value(0xFF) + b"\x03" + out("peer", 0, 0x2_0000, 4),
    "nobody": into("any", 0x80, 4) + out("any", 0xFFFF, 1, 4) + into("any", 0x3F6, 4) + into("any", 0x607, 4),
}


def config(function, offset, number=None, size=4):
    reading = number is None
    return bytes([0x80 if reading else 0, function, offset, size // 2]) + value(number or 0)


def inside(function, which, offset, number=None, size=4):
    """which: 0 to 2 for BARs 0, 2 and 4, 3 for the ROM"""
    reading = number is None
    return bytes([0x83 if reading else 3, function, which]) + struct.pack("<H", offset) + bytes([size - 1]) + value(number or 0)


def at(address, number=None, size=4):
    reading = number is None
    return bytes([0x81 if reading else 1]) + value(address) + bytes([size - 1]) + value(number or 0)


def io(number, written=None, size=1):
    reading = written is None
    return bytes([0x82 if reading else 2]) + struct.pack("<H", number) + bytes([size // 2]) + (b"" if reading else value(written))


COMMAND, MSI, MSIX = 0x04, 0x40, 0x58
ALL = config(0, COMMAND, 7, 2) + config(1, COMMAND, 7, 2)
functions = {
    "sizes": b"".join(config(0, offset, 0xFFFFFFFF) + config(0, offset) for offset in range(0, 0x40, 4)),
    "place": config(0, 0x10, 0xC0000000) + config(0, 0x18, 0xC0100000) + config(0, 0x1C, 1) + config(0, 0x20, 0xC0200000) +
             config(0, 0x30, 0xC0300001) + ALL + inside(0, 0, 4, 0x12345678) + inside(0, 0, 4) + inside(0, 1, 3, 1, 8) +
             inside(0, 1, 3, size=8) + inside(0, 2, 0x1000) + inside(0, 3, 0),
    "overlap": ALL + config(0, 0x18, 0xFED00000) + config(1, 0x10, 0xFED00000) + config(1, 0x18, 0xFED00000) +
               b"".join(at(0xFED00000 + n * 0x3FF, 1, 8) + at(0xFED00000 + n * 0x3FF, size=8) for n in range(4)) +
               config(0, COMMAND, 0, 2) + at(0xFED00400) + at(0xFED00000),
    "msi": config(0, 0x10, 0xC0000000) + ALL + config(0, MSI + 4, 0xFEE00000) + config(0, MSI + 12, 0x60, 2) +
           config(0, MSI, 0x210000) + b"".join(inside(0, 0, 0x0C, n) for n in range(5)) + config(0, MSI + 16, 15) +
           inside(0, 0, 0x0C, 1) + config(0, MSI + 20) + config(0, COMMAND, 2, 2) + config(0, MSI + 16, 0) +
           config(0, COMMAND, 6, 2),
    "msix": config(0, 0x10, 0xC0000000) + config(0, 0x20, 0xC0200000) + ALL + inside(0, 2, 0x20, 0xFEE00000, 8) +
            inside(0, 2, 0x28, 0x61, 8) + config(0, MSIX, 0x80000000) + inside(0, 0, 0x10, 2) + inside(0, 2, 0x2C, 1) +
            inside(0, 0, 0x10, 2) + inside(0, 2, 0x1000) + inside(0, 2, 0x2C, 0) + config(0, MSIX, 0xC0000000) +
            inside(0, 0, 0x10, 2) + inside(0, 0, 0x10, 9) + config(0, MSIX, 0x80000000),
    "ports": config(0, 0x14, 0xC000) + config(1, 0x14, 0xC000) + ALL + io(0xC004, 1) + io(0xC004, size=4) +
             config(0, 0x14, 0xFFFFFFF0) + io(0xFFFF) + io(0xC00F, 7, 4),
}
