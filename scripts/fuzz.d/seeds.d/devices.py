"""Seeds of the targets in devices/fuzz."""
import struct

from encoding import ALL, counted, value

# fuzz_services

SHUTDOWN, HEARTBEAT, TIME, KEY_VALUE, KEYBOARD, SOCKET, VIDEO, MOUSE, BALLOON = range(9)
READ, AGREE = b"\x02", b"\x08"


def raw_packet(data, kind=6, flags=0, offset=0):
    return bytes([0, kind, flags, offset]) + counted(data)


def answer(status=0, offset=0, change=0, shorter=0):
    return b"\x01" + value(status) + bytes([offset]) + value(change) + bytes([shorter])


def want(what, more=0):
    return bytes([3, what, more])


def passing(milliseconds):
    return b"\x04" + value(milliseconds)


def control(to_host, word, number):
    return bytes([5, word * 2 + (0 if to_host else 1)]) + value(number)


def memory_changes(loads, change, times):
    return bytes([7, loads]) + value(change) + bytes([times])


def balloon_message(kind, body=b""):
    return raw_packet(struct.pack("<HHI", kind, 8 + len(body), 1) + body)


def given(*ranges, more=0):
    """Pages, by the first one's number and how many."""
    words = b"".join(struct.pack("<Q", first | count << 40) for first, count in ranges)
    return balloon_message(7, struct.pack("<II", 0, len(ranges) << 1 | more) + words)


NO_MORE = 0x80070103
HELLO = struct.pack("<II", 1, 5) + b"hello"  # of a socket
services = {
    "shutdown": bytes([SHUTDOWN]) + AGREE + want(0) + READ + answer() + want(1) + READ + answer(0x80004005) +
                want(2) + passing(20000),
    "heartbeat": bytes([HEARTBEAT]) + AGREE + (READ + answer(0, 28, 3) + passing(2000)) * 3 + passing(9000),
    "time": bytes([TIME]) + AGREE + READ + answer() + want(0, 200) + passing(5000) + READ + answer() + passing(5000),
    "pool": bytes([KEY_VALUE]) + AGREE + want(8) + (READ + answer(0, 36, 1)) * 4 + READ + answer(NO_MORE),
    "values": bytes([KEY_VALUE]) + AGREE + want(1, 9) + want(2, 9) + want(3, 1) + (READ + answer()) * 3 + want(1, 255),
    "short-answer": bytes([KEY_VALUE]) + AGREE + want(0) + READ + answer(0, 0, 0, 40) + want(3) + READ + answer(0, 9, 255),
    "late-answer": bytes([KEY_VALUE]) + AGREE + want(0) + READ + passing(6000) + want(1, 1) + answer() + READ + answer(),
    "many-requests": bytes([KEY_VALUE]) + AGREE + want(0) * 20 + b"\x06\x02",
    "odd-characters": bytes([KEY_VALUE]) + AGREE + want(1, 1) + want(1, 3) + want(1, 6) + want(1, 10) + want(1, 11) + want(2, 25) +
                      (READ + answer(0, 44, 0x0000DC00D83D0041)) * 6 + want(0) + READ + answer(0, 44, 0xD83D00E400410042) +
                      READ + answer(0, 40, 0x2000000020) + READ + answer(NO_MORE),
    "number-values": bytes([KEY_VALUE]) + AGREE + want(0) + (READ + answer(0, 36, 4) + READ + answer(0, 36, 11) + READ + answer(0, 36, 1)) * 2 +
                     READ + answer(NO_MORE),
    "no-agreement": bytes([SHUTDOWN]) + READ + answer(0, 36, 0xFFFF) + want(0) + b"\x06\x00" + AGREE + want(0),
    "keyboard": bytes([KEYBOARD]) + AGREE + want(0x1E, 0) + want(0x1D, 0xE0) + READ * 3 +
                raw_packet(struct.pack("<IHH", 4, 7, 0)) + raw_packet(struct.pack("<II", 1, 9), flags=1) + READ * 2,
    "keyboard-full": bytes([KEYBOARD]) + b"\x06\x00" + AGREE + want(1, 1) * 40 + raw_packet(struct.pack("<II", 1, 65536), flags=1),
    "socket": bytes([SOCKET]) + raw_packet(HELLO) + want(1, 1) + want(0, 4) + READ * 2 + AGREE + want(2) + READ * 2,
    "socket-full": bytes([SOCKET]) + b"\x06\x00" + want(0, 255) * 4 + READ * 6 + want(3) + READ * 4,
    "socket-nonsense": bytes([SOCKET]) + raw_packet(HELLO[:8]) + b"\x06\x03" + raw_packet(HELLO, kind=11),
    "indices": bytes([SOCKET]) + control(True, 0, 0xFFFFFFF8) + b"\x06\x02" + control(False, 1, 0x80000000) + want(0, 9) +
               bytes([6, 1]) + control(False, 3, 100) + raw_packet(HELLO) + control(True, 2, 1),
    "changing": bytes([SOCKET]) + memory_changes(2, 0xFFFF, 3) + raw_packet(HELLO) + memory_changes(0, 1 << 31, 7) + want(0, 3),
    "refilled": bytes([HEARTBEAT]) + AGREE + memory_changes(0, 0, 0) + struct.pack("<II", 1, 8).ljust(128, b"\0") + READ + answer(),
    "keyboard-refilled": bytes([KEYBOARD]) + memory_changes(0, 0, 0) + struct.pack("<II", 1, 65536).ljust(128, b"\0") + AGREE,
    "socket-refilled": bytes([SOCKET]) + memory_changes(0, 0, 0) + HELLO.ljust(128, b"\0") + want(1, 255) + AGREE,
    "balloon": bytes([BALLOON]) + AGREE + READ * 3 + want(64, 1) + given((512, 512), (1024, 7), more=1) + given((4096, 4096)) +
               want(128, 1) + READ * 3 + balloon_message(9) + balloon_message(5, struct.pack("<QQQQII", 9, 99, 0, 0, 0, 0)),
    "balloon-hot-add": bytes([BALLOON]) + AGREE + want(255) + balloon_message(11, struct.pack("<II", 32768, 1)) * 2 + READ * 5 +
                       want(200) + given((1 << 20, 512), (1 << 20, 512)) + want(255, 1) + balloon_message(11, struct.pack("<II", 0, 0)),
    "balloon-nonsense": bytes([BALLOON]) + balloon_message(1, struct.pack("<II", 0x30000, 1)) + AGREE + want(0, 1) +
                        given((0, 0), (65535, 2), (1 << 39, 0xFFFFFF), (1 << 20, 1), (0, 8192)) + b"\x06\x01" + want(0) + AGREE,
    "changing-answer": bytes([KEY_VALUE]) + AGREE + want(0) + READ + memory_changes(4, 0xFFFFFFFF, 5) + answer(),
}

# fuzz_storage

SET_UP = b"\x00\x07\x00" + b"\x00\x09" + value(0x0602) + b"\x00\x0a\x00" + b"\x00\x08\x00"
TAKE_ALL = b"\x16"


def scsi(cdb, size=0, lun=0, outwards=False, pages=1, offset=0, channel=0):
    """A step: a command over so many pages."""
    return (bytes([1 | channel << 3]) + bytes(cdb).ljust(16, b"\0") + value(size) + bytes([lun, 0 if outwards else 1, 20, 0, pages - 1]) +
            bytes(range(pages)) + value(size) + value(offset))


def blocks(code, block, count, flags=0):
    """A CDB of ten bytes."""
    return struct.pack(">BBIBHB", code, flags, block, 0, count, 0)


def flood(cdb, answers=False):
    """A step: the ring is refilled with a command again and again."""
    return (b"\x17" if answers else b"\x07") + bytes(3) + bytes(cdb).ljust(16, b"\0")


inquiries = b"".join(scsi([0x12, 1, page, 0, 255], 255) for page in (0, 0x80, 0x83, 0xB0, 0xB1, 0xB2))
questions = b"".join(scsi(cdb, 255) for cdb in (
    [0x00], [0x03, 0, 0, 0, 18], [0x12, 0, 0, 0, 36], [0x1A, 0, 0x3F, 0, 255], [0x5A, 0, 8, 0, 0, 0, 0, 0, 255], [0x25],
    [0x9E, 0x10, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 32], [0xA0, 0, 0, 0, 0, 0, 0, 0, 0, 64]))
disc = b"".join(scsi(cdb, 255, lun=2) for cdb in (
    [0x43, 2, 0, 0, 0, 0, 0, 0, 255], [0x46, 0, 0, 0, 0, 0, 0, 0, 255], [0x4A, 1, 0, 0, 16, 0, 0, 0, 8],
    [0x51, 0, 0, 0, 0, 0, 0, 0, 34], [0x52, 1, 0, 0, 0, 1, 0, 0, 36], [0x46, 1, 0, 0, 0, 0, 0, 0, 255], [0x4A, 0],
    [0x1B, 0, 0, 0, 2], blocks(0x28, 1, 1)))
storage = {
    "set-up": SET_UP + TAKE_ALL,
    "questions": SET_UP + questions + inquiries + TAKE_ALL,
    "disc": SET_UP + disc,
    "every-size": SET_UP + b"".join(scsi(cdb, 4096, outwards=out, pages=2) for cdb, out in (
        ([0x08, 0, 0, 1, 8], False), ([0x0A, 0, 0, 1, 8], True), ([0xA8, 0, 0, 0, 0, 1, 0, 0, 0, 8], False),
        ([0xAA, 0, 0, 0, 0, 1, 0, 0, 0, 8], True), ([0x88, *bytes(8), 1, *bytes(3), 8], False),
        ([0x8A, *bytes(8), 1, *bytes(3), 8], True), ([0x08, 0, 0, 0, 0], False))),
    "without-data": SET_UP + b"".join(scsi(cdb) for cdb in (
        blocks(0x2F, 0, 8), blocks(0x2F, 0, 8, 2), [0xAF, 0, 0, 0, 0, 1, 0, 0, 0, 8], [0x8F, *bytes(12), 8],
        [0x91, *bytes(12), 8], [0x1B, 0, 0, 0, 1], [0x1E, 0, 0, 0, 1], [0x15], [0x55], [0xFF])),
    "resets": SET_UP + b"\x00\x04\x00" + b"\x00\x05\x00" + b"\x00\x06\x00" + b"\x00\x63\x00",
    "read-write": SET_UP + scsi(blocks(0x2A, 8, 16), 8192, outwards=True, pages=2) + scsi(blocks(0x28, 8, 16), 8192, pages=2) +
                  scsi(blocks(0x2A, 0, 8, 8), 4096, outwards=True) + scsi(blocks(0x28, 1, 1), 512, offset=512) + TAKE_ALL,
    "outside": SET_UP + scsi(blocks(0x28, 512, 1), 512) + scsi(blocks(0x2A, 0xFFFFFFFF, 0xFFFF), 4096, outwards=True) +
               scsi(blocks(0x2A, 0, 1), 512, lun=1, outwards=True) + scsi(blocks(0x28, 0, 1), 512, lun=3),
    "holes": SET_UP + scsi(blocks(0x42, 0, 24), 24, outwards=True) + scsi(blocks(0x41, 8, 16), 512, outwards=True) +
             scsi([0x93, 9, 0, 0, 0, 0, 0, 0, 0, 8, 0, 0, 0, 8]),
    "later": SET_UP + b"\x15\0\0" + scsi(blocks(0x28, 0, 8), 4096) + scsi(blocks(0x35, 0, 0)) + b"\x14" + b"\x04" +
             b"\x05\0\3" * 2 + SET_UP + scsi(blocks(0x28, 0, 8), 4096),
    "removed": SET_UP + b"\x15\0\0" + scsi(blocks(0x28, 0, 8), 4096) + b"\x05\0\2" + scsi(blocks(0x28, 0, 8), 4096) + TAKE_ALL,
    "failing": SET_UP + b"".join(b"\x05\0\1" + bytes([n]) + scsi(blocks(0x2A, 0, 8), 4096, outwards=True) for n in range(5)),
    "sub-channel": SET_UP + b"\x00\x0d\x01" + b"\x0c" + scsi(blocks(0x28, 0, 8), 4096, channel=1) + b"\x14" +
                   scsi(blocks(0x28, 0, 8), 4096, channel=1),
    "indices": SET_UP + b"\x03\0\x08" + b"\x03\1\x03" + b"\x13\1" + value(0x10000) + scsi([0x00]),
    "changing": SET_UP + b"\x07\x02" + value(0xFF) + b"\x07" + questions,
    "refilled": SET_UP + flood(blocks(0x28, 0, 8)) + flood(blocks(0x2A, 0, 8), answers=True) + TAKE_ALL + flood([0x12]),
}

# fuzz_network

FRAME = bytes.fromhex("525400123456525400654321080045000000000140004006000" "0c0000201c0000202"
                      "1111222200000001000000025018010000000000") + b"payload"
READ_ALL = b"\x08\xff"


def set_up(version=0):
    return bytes([0, version])


def frame_out(*infos, field=11, spoilt=0, frame=FRAME):
    step = bytes([5, field]) + value(spoilt) + bytes([len(infos)])
    return step + b"".join(bytes([kind]) + value(number) for kind, number in infos) + counted(frame)


def frame_in(size, flags=0, segmentation=0, start=34, offset=16, frame=FRAME):
    content = frame[:min(size, 128)]
    return bytes([7, flags, segmentation]) + value(size) + value(start) + value(offset) + content + \
        b"\0" * (min(size, 128) - len(content)) + b"\x11"


# NDIS's object identifiers (devices/vmbus/network/ndis.hpp).
PACKET_FILTER, RSS, CONFIG, ENCAPSULATION, OFFLOADS = 0x1_010E, 0x1_0204, 0x1_021B, 0x101_010A, 0xFC01_020C
OIDS = [*range(0x1_0101, 0x1_0119), 0x1_0203, RSS, 0x1_0206, 0x1_0207, 0x1_0208, CONFIG, *range(0x2_0101, 0x2_0106), 0x2_0216,
        0x2_0219, 0x2_021A, *range(0x101_0101, 0x101_0105), ENCAPSULATION, *range(0x102_0101, 0x102_0104), 0xFC01_020B, OFFLOADS,
        0xFC01_020D, 0xFFFF_FFFF]


def oid(number, content, is_set=True):
    return b"\x04" + struct.pack("<BI", 1 if is_set else 0, number) + counted(content)


def config(name, content, kind=2):
    """RNDIS_CONFIG_PARAMETER_INFO: the MAC address that a driver was told to have."""
    name, content = name.encode("utf-16-le"), content.encode("utf-16-le")
    return oid(CONFIG, struct.pack("<5I", 20, len(name), kind, 20 + len(name), len(content)) + name + content)


def rss(entries):
    table = struct.pack(f"<{len(entries)}I", *entries)
    return struct.pack("<BBHHHIHHIHHI12x", 0x89, 2, 40, 0, 0, 0x1701, len(table), 0, 40, 40, 0, 40 + len(table)) + \
        table + b"\x6d" * 40


SUB_CHANNEL = b"\x01\x0b\x01\x08" + struct.pack("<II", 1, 1) + b"\x09\x80"
network = {
    "set-up": set_up(),
    "refilled": set_up() + b"\x0c\0\0\0" + struct.pack("<IIII", 107, 0, 0xFFFFFFFF, 0).ljust(64, b"\0") + READ_ALL,
    "every-version": b"".join(set_up(n) + frame_in(60) + READ_ALL + b"\x09\x00" for n in range(6)),
    "out-plain": set_up() + frame_out(),
    "out-checksum": set_up() + frame_out((0, 1 | 1 << 2 | 34 << 16)) + frame_out((0, 1 | 1 << 4), (6, 0x1235)),
    "out-large": set_up() + frame_out((2, 10 | 34 << 20), (6, 0x55)) + frame_out((2, 10 | 54 << 20 | 1 << 31)),
    "in-plain": set_up() + frame_in(60) + frame_in(1514) + READ_ALL,
    "in-checksum": set_up() + frame_in(100, flags=1) + frame_in(100, flags=2) + READ_ALL,
    "in-large": set_up() + frame_in(40_000, flags=1, segmentation=1) + READ_ALL,
    "in-tagged": set_up() + frame_in(80, frame=FRAME[:12] + bytes.fromhex("8100b123") + FRAME[12:]) + READ_ALL,
    "never-completes": set_up() + frame_in(1000) * 40 + b"\x08\x7f" + frame_in(60) * 3 + b"\x06\x00\x06\x01",
    "sub-channel": set_up() + SUB_CHANNEL + oid(RSS, rss([0, 1])) + frame_in(100) * 3 + READ_ALL + frame_out(),
    "oids": set_up() + b"".join(oid(n, b"", is_set=False) + READ_ALL for n in OIDS),
    "oids-set": set_up() + b"".join(oid(n, bytes(length)) + READ_ALL for n in OIDS for length in (4, 60)),
    "configuration": set_up() + config("NetworkAddress", "525400123456") + config("NetworkAddress", "53540012345x") +
                     config("NetworkAddress", "5254") + config("Other", "1") + config("NetworkAddress", "525400123456", 0) + READ_ALL,
    "encapsulation": set_up() + oid(ENCAPSULATION, struct.pack("<BBH6I", 0xA8, 1, 28, 1, 2, 14, 1, 2, 14)) +
                     oid(ENCAPSULATION, struct.pack("<BBH6I", 0xA8, 1, 28, 1, 1, 14, 1, 2, 18)) + READ_ALL,
    "offloads": set_up() + oid(OFFLOADS, bytes([0x80, 3, 26, 0]) + b"\x04" * 5 + b"\1\0\2\2" + b"\0" * 9 + b"\2\2\0\0"),
    "cable": set_up() + b"\x0a" + frame_out() + b"\x0a" + frame_in(60) + READ_ALL,
    "spoilt-ring": set_up() + b"\x0b\x02" + value(12345) + b"\x09\x00" + set_up(),
    "revoked": set_up() + frame_in(60) + b"\x01\x03\x00\x00\x01\x05\x00\x00" + frame_in(60) + frame_out(),
}
