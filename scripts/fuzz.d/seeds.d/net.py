"""Seeds of fuzz_tap and fuzz_user_network."""
import ipaddress
import struct

from encoding import counted, value

# fuzz_tap

SEVERAL_QUEUES = 0x80


def tap_of(channels, several=True, failing=0, error=0):
    return bytes([channels - 1 | (SEVERAL_QUEUES if several else 0), failing, error])


def offload(flags=0, segmentation=0, header=0, segment=0, start=0, offset=0):
    return struct.pack("<BBHHHH", flags, segmentation, header, segment, start, offset)


def guest_sends(frame, channel=0, header=offload(), pieces=2):
    return bytes([0, channel]) + header + bytes([pieces - 1]) + counted(frame)


def host_sends(frame, queue=0, header=offload()):
    return bytes([1, queue]) + counted(header + frame)


def host_sends_many(count, size, queue=0):
    return bytes([2, queue, count]) + value(size)


def use(channels):
    return bytes([5, channels])


def tap_fails(calls, error):
    return bytes([7, calls, error])


LISTEN, IGNORE = b"\x03\x07", b"\x03\x80"
NO_ROOM, ROOM = b"\x04\x00", b"\x04" + value(1000)
TASKS, GOES, NO_MEMORY = b"\x06\x03", b"\x08", b"\x09"
FRAME = b"\xff" * 6 + b"\x02" * 6 + b"\x88\xb5" + b"frame"
one_queue = tap_of(1, several=False)
tap = {
    "both-ways": one_queue + LISTEN + guest_sends(FRAME) + host_sends(FRAME) + host_sends(FRAME, header=offload(1, 1, 54, 1460, 34, 16)) +
                 IGNORE + host_sends(FRAME) + LISTEN + host_sends(FRAME),
    "queues": tap_of(4) + LISTEN + use(4) + b"".join(guest_sends(FRAME, n) + host_sends(FRAME, n) for n in range(5)) +
              host_sends_many(9, 100) + use(2) + host_sends_many(9, 100) + use(0) + host_sends_many(3, 60) + use(9) + host_sends_many(4, 60),
    "no-room": one_queue + LISTEN + NO_ROOM + host_sends_many(5, 100) + b"\x04\x02" + ROOM + host_sends_many(200, 1500) + host_sends_many(3, 65600),
    "in-a-row": one_queue + LISTEN + host_sends_many(9, 60) + b"\x0a" + value(100) + host_sends_many(9, 60) + b"\x0a" + value(10),
    "no-frames": one_queue + LISTEN + host_sends(b"") + b"\x01\x00" + counted(b"short") + host_sends(FRAME),
    "pieces": one_queue + b"".join(b"\x0b" + value(n) for n in (0, 1, 254, 255, 256, 1000)),
    "goes": one_queue + LISTEN + host_sends(FRAME) + GOES + guest_sends(FRAME) + TASKS + IGNORE + TASKS,
    "goes-unheard": tap_of(3) + GOES + TASKS + LISTEN,
    "goes-without-room": tap_of(3) + LISTEN + NO_ROOM + host_sends(FRAME) + GOES + ROOM,
    "no-memory": one_queue + LISTEN + NO_MEMORY + host_sends(FRAME) + TASKS + guest_sends(FRAME),
    "read-fails": one_queue + LISTEN + b"".join(tap_fails(0, n) + host_sends(FRAME) for n in (0, 1, 3, 2)),
    "write-fails": one_queue + b"".join(tap_fails(0, n) + guest_sends(FRAME) for n in (0, 1, 3, 2)),
    "offload-fails": one_queue + tap_fails(0, 2) + LISTEN + tap_of(3) + tap_fails(0, 3) + use(3) + use(1),
    "detach-fails": tap_of(3) + LISTEN + use(3) + tap_fails(0, 3) + use(1) + host_sends_many(6, 60) + use(3),
} | {
    f"refused-{calls}-{error}": tap_of(2, several, calls, error)
    for several, calls, error in ((False, 1, 0), (False, 2, 8), (False, 2, 9), (False, 2, 10), (False, 2, 3), (False, 3, 6),
                                  (False, 3, 7), (False, 3, 10), (False, 3, 2), (False, 4, 3), (True, 4, 6), (True, 7, 11),
                                  (True, 8, 5), (True, 9, 7))
}

# fuzz_user_network

MAC, HOST_MAC = bytes.fromhex("525400010203"), bytes.fromhex("52550a000202")
ME, HOST, DNS, FAR = (ipaddress.ip_address(a) for a in ("10.0.2.15", "10.0.2.2", "10.0.2.3", "192.0.2.1"))
ME6, HOST6, DNS6, FAR6 = (ipaddress.ip_address(a) for a in ("fec0::15", "fec0::2", "fec0::3", "2001:db8::1"))
TCP, UDP, ICMP, ICMP6 = 6, 17, 1, 58
FIN, SYN, RST, PUSH, ACK = 1, 2, 4, 8, 16
LENGTHS, BY_NETWORK, CHECKSUM, FOLLOW = 1, 2, 4, 8
USUAL = LENGTHS | CHECKSUM | FOLLOW


def network(forwards=0, failing=None, error=0):
    return bytes([forwards, 0 if failing is None else 0x80 | failing, error])


def ethernet(kind, content, to=HOST_MAC):
    return to + MAC + struct.pack(">H", kind) + content


def ip(protocol, content, to=HOST, source=None):
    if to.version == 6:
        return ethernet(0x86DD, struct.pack(">IHBB", 0x60000000, 0, protocol, 255) + (source or ME6).packed + to.packed + content)
    return ethernet(0x0800, struct.pack(">BBHHHBBH", 0x45, 0, 0, 1, 0x4000, 64, protocol, 0) + (source or ME).packed +
                    to.packed + content)


def tcp(flags, port=2, mine=1025, content=b"", to=HOST, window=0xFFFF, options=b""):
    return ip(TCP, struct.pack(">HHIIBBHHH", mine, port, 1000, 0, (5 + len(options) // 4) << 4, flags, window, 0, 0) + options +
              content, to)


def udp(port, content=b"", mine=1026, to=HOST):
    return ip(UDP, struct.pack(">HHHH", mine, port, 0, 0) + content, to)


def sends(frame, how=USUAL, more=0, later=False):
    return bytes([0x80 if later else 0, how]) + value(more) + counted(frame)


def again(times):
    return bytes([1, times])


def outside_says(content, who=0):
    return bytes([4, who]) + counted(content)


def outside_says_much(size, who=0):
    return bytes([5, who]) + value(size)


def outside_takes(who=0):
    return bytes([6, who])


def outside_ends(who=0, goes=False):
    return bytes([7, who, 1 if goes else 0])


def from_outside(listener=0):
    return bytes([8, listener])


def call_fails(calls, error):
    return bytes([9, calls, error])


def passes(milliseconds):
    return b"\x0a" + value(milliseconds)


HEARS, IS_DEAF = b"\x02\x00", b"\x02\x01"
HAS_NO_ROOM, HAS_ROOM = b"\x03\x00", b"\x03" + value(1000)
FAILS = b"\x0b"
arp_request = ethernet(0x0806, struct.pack(">HHBBH", 1, 0x0800, 6, 4, 1) + MAC + ME.packed + bytes(6) + HOST.packed, b"\xff" * 6)
arp_answer = ethernet(0x0806, struct.pack(">HHBBH", 1, 0x0800, 6, 4, 2) + MAC + ME.packed + HOST_MAC + HOST.packed)
neighbour = ip(ICMP6, struct.pack(">BBHI", 136, 0, 0, 0x60000000) + ME6.packed + bytes([2, 1]) + MAC, HOST6)
HERE = HEARS + sends(arp_request, 0)
HERE6 = HEARS + sends(neighbour)
discover = struct.pack(">BBBBIHH4I", 1, 1, 6, 0, 0xDEADBEEF, 0, 0, 0, 0, 0, 0) + MAC + bytes(10 + 64 + 128) + \
    bytes.fromhex("63825363")


def dhcp(kind, *options):
    content = discover + bytes([53, 1, kind]) + b"".join(options) + b"\xff"
    return sends(ip(UDP, struct.pack(">HHHH", 68, 67, 0, 0) + content, ipaddress.ip_address("255.255.255.255"),
                    ipaddress.ip_address("0.0.0.0")), LENGTHS)


def connected(port=2, to=HOST):
    return sends(tcp(SYN, port, to=to, options=b"\x02\x04\x05\xb4")) + sends(tcp(ACK, port, to=to))


question = struct.pack(">HHHHHH", 7, 0x0100, 1, 0, 0, 0) + b"\x07example\x03org\0" + struct.pack(">HH", 1, 1)
user_network = {
    "address": network() + HEARS + dhcp(1) + dhcp(3, b"\x32\x04", ME.packed) + dhcp(3, b"\x32\x04", HOST.packed) +
               dhcp(7) + dhcp(1, b"\x0c\x04name", b"\x32\x03abc"),
    "neighbours": network() + HERE + sends(arp_answer, 0) + HERE6 +
                  sends(ip(ICMP6, struct.pack(">BBHI", 133, 0, 0, 0), ipaddress.ip_address("ff02::2"))) + passes(60_000) * 3 +
                  sends(ip(ICMP6, struct.pack(">BBHI", 135, 0, 0, 0) + HOST6.packed + bytes([1, 1]) + MAC, HOST6)),
    "ping": network() + HERE + sends(ip(ICMP, struct.pack(">BBHHH", 8, 0, 0, 1, 1) + b"ping", HOST)) +
            sends(ip(ICMP, struct.pack(">BBHHH", 8, 0, 0, 1, 2) + b"ping", FAR)) + outside_says(b"\0\0\0\0\0\1\0\2ping") +
            HERE6 + sends(ip(ICMP6, struct.pack(">BBHHH", 128, 0, 0, 1, 1) + b"ping", HOST6)),
    "connection": network() + HERE + connected() + sends(tcp(ACK | PUSH, content=b"GET /\r\n")) + outside_takes() +
                  outside_says(b"200 OK") + sends(tcp(ACK)) + sends(tcp(ACK | FIN)) + outside_ends() + sends(tcp(ACK)) + passes(60_000),
    "connection-later": network() + HERE + connected(3) + passes(10) + sends(tcp(ACK, 3)) + sends(tcp(ACK | PUSH, 3, content=b"late")) +
                        outside_ends(0, True) + sends(tcp(ACK, 3)) + sends(tcp(RST, 3)),
    "connection-far": network() + HERE + connected(80, FAR) + sends(tcp(ACK | PUSH, 80, content=b"x", to=FAR)) + passes(500) * 8,
    "connection6": network() + HERE6 + connected(2, HOST6) + sends(tcp(ACK | PUSH, 2, content=b"six", to=HOST6)) + outside_says(b"6") +
                   connected(80, FAR6) + outside_ends(1, True),
    "checksum-by-network": network() + HERE + sends(tcp(SYN), LENGTHS | BY_NETWORK | FOLLOW) + sends(tcp(ACK), LENGTHS | BY_NETWORK | FOLLOW) +
                           sends(tcp(ACK), LENGTHS | BY_NETWORK | FOLLOW, 20_000) + outside_takes() +
                           sends(tcp(SYN, to=HOST6), LENGTHS | BY_NETWORK),
    "much-to-guest": network() + HERE + connected() + outside_says_much(200_000) + (sends(tcp(ACK)) + passes(1)) * 30,
    "much-to-outside": network() + HERE + connected() + (sends(tcp(ACK), USUAL, 60_000) + passes(1)) * 8 + outside_takes() + passes(500),
    "window-closed": network() + HERE + connected() + sends(tcp(ACK, window=0)) + outside_says_much(9000) + passes(500) * 20,
    "refused": network() + HERE + b"".join(call_fails(n, error) + sends(tcp(SYN, mine=1030 + 10 * n + error)) + passes(100)
                                           for n in range(4) for error in range(6)),
    "names": network() + HERE + sends(udp(53, question, to=DNS)) + outside_says(question) + HERE6 + sends(udp(53, question, to=DNS6)) +
             outside_says(question, 1) + passes(300_000) * 2,
    "datagrams": network() + HERE + sends(udp(9, b"one")) + sends(udp(9, b"two", to=FAR)) + outside_says(b"back", 1) + outside_says(b"") +
                 outside_ends(0, True) + sends(udp(9, b"gone")) + sends(udp(69, b"\0\1file\0octet\0")) + sends(udp(9, b"", to=FAR6)),
    "datagram-fails": network() + HERE + b"".join(call_fails(n % 3, n) + sends(udp(100 + n, b"x")) for n in range(15)),
    "forwarded": network(0x1F) + HERE + sends(arp_answer, 0) + from_outside() + from_outside(1) + from_outside(2) + passes(1) +
                 sends(tcp(SYN | ACK, mine=22, port=40000)) + sends(tcp(ACK, mine=22, port=40000)) + outside_says(b"SSH", 3) +
                 sends(tcp(ACK, mine=22, port=40000)) + outside_says(b"datagram", 0) + sends(neighbour) + outside_says(b"datagram", 1),
    "not-forwarded": network(1) + from_outside() + HEARS + passes(1000) + sends(arp_answer, 0) + sends(tcp(RST | ACK, mine=22, port=40000)),
    "no-descriptor": network(1) + HERE + call_fails(2, 0) + from_outside() + passes(100) + call_fails(1, 0) + from_outside() +
                     passes(500) + passes(1000) + call_fails(0, 0) + sends(tcp(SYN)) + passes(200) + call_fails(1, 0) + passes(200),
    "poll-fails": network() + HERE + call_fails(0, 1) + sends(udp(9, b"x")) + passes(999) + passes(2),
    "fragments": network() + HERE + b"".join(
        sends(ethernet(0x0800, struct.pack(">BBHHHBBH", 0x45, 0, 0, 7, flags, 64, UDP, 0) + ME.packed + HOST.packed + b"y" * 64), LENGTHS)
        for flags in (0x2000, 0x2008, 0x0010, 0x2004, 0x3FFF)) + passes(60_000),
    "nonsense": network() + HERE + sends(b"") + sends(b"\0" * 13) + sends(ethernet(0x0800, b"\x45")) + sends(ethernet(0x86DD, b"\x60")) +
                sends(ethernet(0x0800, b"\x4f" + bytes(60))) + sends(b"", 0, 65_554) + sends(b"", 0, 65_553) +
                sends(tcp(SYN | FIN | RST)) + sends(tcp(0xFF), LENGTHS),
    "flood": network() + HERE + b"\x80\x00" + value(1400) + counted(arp_request) + b"\x81\xff\x81\xff" + passes(1),
    "deaf": network(1) + sends(arp_request, 0) + from_outside() + HEARS + HAS_NO_ROOM + sends(arp_request, 0) + HAS_ROOM +
            sends(arp_request, 0) + IS_DEAF + sends(arp_request, 0),
    "no-memory": network() + HEARS + FAILS + sends(arp_request, 0) + sends(arp_request, 0) + again(250),
} | {f"no-network-{calls}-{error}": network(0x1F, calls, error) for calls, error in ((0, 0), (0, 5), (1, 0), (2, 0), (3, 2), (6, 4))}
