"""Seeds of the targets in vmm/fuzz."""
import struct

# fuzz_kernels


def bzimage(payload=64, **fields):
    """Linux Documentation/x86/boot.rst."""
    header = bytearray(0x400)

    def put(offset, layout, number):
        struct.pack_into("<" + layout, header, offset, number)

    put(0x1F1, "B", 1)  # setup_sects
    put(0x1F4, "I", payload // 16)  # syssize
    put(0x1FE, "H", 0xAA55)
    put(0x201, "B", 0x26C - 0x202)
    header[0x202:0x206] = b"HdrS"
    put(0x206, "H", fields.get("version", 0x20F))
    put(0x211, "B", 1)  # loadflags
    put(0x22C, "I", fields.get("initrd_max", 0x7FFFFFFF))
    put(0x230, "I", 0x20_0000)  # kernel_alignment
    put(0x234, "B", fields.get("relocatable", 1))
    put(0x236, "H", fields.get("xloadflags", 3))
    put(0x238, "I", 2047)  # cmdline_size
    put(0x258, "Q", fields.get("address", 0x100_0000))
    put(0x260, "I", 0x10_0000)  # init_size
    return bytes(header) + b"\xf4" * payload


def multiboot_header(flags=0, *addresses):
    magic = 0x1BADB002
    return struct.pack(f"<3I{len(addresses)}I", magic, flags, -(magic + flags) & 0xFFFFFFFF, *addresses)


def elf(bits, note=True, multiboot=False, address=0x20_0000, memory=0x1000):
    word = "Q" if bits == 64 else "I"
    head, entry = (64, 56) if bits == 64 else (52, 32)
    count = 2 if note else 1
    notes_at = head + count * entry
    text_at = notes_at + (16 + bits // 8 if note else 0) + (12 if multiboot else 0)
    text = b"\xf4" * 32
    ident = b"\x7fELF" + bytes([2 if bits == 64 else 1, 1, 1]) + bytes(9)
    out = ident + struct.pack(f"<HHI{word}{word}{word}IHHHHHH", 2, 62 if bits == 64 else 3, 1, address, head, 0, 0,
                              head, entry, count, 0, 0, 0)

    def segment(kind, offset, where, size, in_memory):
        if bits == 64:
            return struct.pack("<IIQQQQQQ", kind, 5, offset, where, where, size, in_memory, 4)
        return struct.pack("<IIIIIIII", kind, offset, where, where, size, in_memory, 5, 4)

    out += segment(1, text_at, address, len(text), memory)
    if note:
        out += segment(4, notes_at, 0, 16 + bits // 8, 16 + bits // 8)
        out += struct.pack("<III", 4, bits // 8, 18) + b"Xen\0" + struct.pack("<" + word, address)
    if multiboot:
        out += multiboot_header(3)
    return out + text


def flat(flags=0x1_0000):
    header = multiboot_header(flags, 0x40_0000, 0x40_0000, 0x40_0080, 0x40_1000, 0x40_0020)
    return header + b"\xf4" * (128 - len(header))


SMALL_GUEST, MIDDLE_GUEST, HOLE_GUEST, LARGE_GUEST = b"\x90", b"\x95", b"\x9a", b"\x97"
kernels = {
    "bzimage": MIDDLE_GUEST + bzimage(),
    "bzimage-fixed": SMALL_GUEST + bzimage(relocatable=0, address=0x80_0000),
    "bzimage-above-4g": LARGE_GUEST + bzimage(),
    "bzimage-large-initrd": b"\x9c" + bzimage(),
    "bzimage-long-command": b"\xb1" + bzimage(),
    "bzimage-old": MIDDLE_GUEST + bzimage(version=0x0204),
    "pvh64": MIDDLE_GUEST + elf(64),
    "pvh32": SMALL_GUEST + elf(32),
    "pvh-too-high": SMALL_GUEST + elf(64, address=0x400_0000),
    "elf-without-note": MIDDLE_GUEST + elf(64, note=False),
    "multiboot-elf32": MIDDLE_GUEST + elf(32, note=False, multiboot=True),
    "multiboot-elf64": HOLE_GUEST + elf(64, multiboot=True),
    "multiboot-flat": MIDDLE_GUEST + flat(),
    "multiboot-video": MIDDLE_GUEST + flat(0x1_0004),
    "one.toml": b"[[guest]]\nname = 'a'\nkernel = 'k'\n",
    "all-keys.toml": b"""[[guest]]
name = "server"
kernel = "k"
initrd = "i"
cmdline = "x"
memory = "16M"
cpus = 2
console = "file:out.txt"
on-reboot = "restart"
privileges = ["create-port"]
hv-features = ["+synic", "-stimer"]
hyperv = "user"
test-devices = true
net = ["user", "tap=vm0"]
pool = "1M"
ready = "serial:open"
[[guest]]
name = "client"
kernel = "k"
parent = "server"
after = ["server"]
ready = "synic"
""",
    "cycle.toml": b"[[guest]]\nname='a'\nkernel='k'\nparent='b'\n[[guest]]\nname='b'\nkernel='k'\nparent='a'\n",
    "twice.toml": b"[[guest]]\nname='a'\nkernel='k'\n[[guest]]\nname='a'\nkernel='k'\n",
    "types.toml": b"[[guest]]\nname=1\nkernel=1.5\nmemory=true\ncpus='x'\nafter=1979-05-27T07:32:00Z\n",
    "inline.toml": b"guest = [{name = \"a\", kernel = '''k''', cmdline = \"\"\"\\u00e9\n\"\"\"}] # c\n",
    "unknown.toml": b"[[guest]]\nname='a'\nkernel='k'\nkernal='k'\n",
    "control-character.toml": b"[\x02",
}

# fuzz_control

control = {
    "status": b'{"execute": "status"}',
    "guest": b'{"execute":"shutdown","guest":"a"}',
    "arguments": b' {"arguments":{"disk":"/a,ro","name":"\\u00e9\\ud83d\\ude00"},"execute":"disk-add"} ',
    "types": b'{"execute":1,"guest":null,"arguments":[true,-1.5e3]}',
    "deep": b'{"execute":"x","arguments":{"a":' + b"[" * 40 + b"]" * 40 + b"}}",
    "unknown": b'{"execute":"x","id":7}',
    "twice": b'{"execute":"x","execute":"y","arguments":{"a":"1","a":"2"}}',
    "no-utf8": b'{"execute":"\xff\xfe"}',
    "control-character": b'{"execute":"x","a\\u0000\\u001b":"b"}',
    "cut": b'{"execute":"stat',
}
