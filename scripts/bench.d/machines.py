"""The VMMs that are compared, and how each is told to run the same guest."""

from dataclasses import dataclass

TEST_GUEST_MIB = 64
IDLE_GUEST_MIB = 16
IDLE_WORDS = "say:idle halt"
LINUX_MIB = 256
TAP = "bench0"
MAC = "52:54:00:12:34:56"  # the same for all: the lab machine keeps it with the address
LINUX_COMMAND_LINE = "quiet console=ttyS0 panic=-1"
DEBIAN_MIB = 512
FIRMWARE = "/usr/share/OVMF/OVMF_CODE_4M.fd"
NVRAM_TEMPLATE = "/usr/share/OVMF/OVMF_VARS_4M.fd"
NVRAM = "/tmp/nvram"  # a copy of it
FIRMWARE_MIB = 256
VNC = "/tmp/vnc"  # a socket
SCREEN_COMMAND_LINE = f"console=tty0 video=1024x768 {LINUX_COMMAND_LINE}"
POOL = "16G"  # of ports; only what is used of it is there


@dataclass(frozen=True)
class Guest:
    """What a VMM is to run, as paths."""
    test_program: str
    idle_program: str
    kernel: str
    disk: str
    generic_kernel: str  # has drivers for screens, which the other one lacks


class Porthole:
    name = "porthole"
    test_success = 1  # of the debug-exit device: a written 0 becomes exit status 1

    def __init__(self, binary, options=()):
        self.binary = binary
        self.begin = [binary, "run", *options]

    def test_command(self, guest):
        return [*self.begin, "--test-devices", "--privileges", "create-port,connect-port,access-partition-id",
                "--memory", f"{TEST_GUEST_MIB}M", "--kernel", guest.test_program]

    def processors(self, count):
        return ["--cpus", str(count)]

    def processors_command(self, guest):
        return self.test_command(guest) + self.processors(2) + ["--hv-features", "+cluster-ipi", "--cmdline", "cpus=2"]

    def children_command(self, guest):
        return self.parent_command(guest, 64, "children=1")

    def others_command(self, guest, count):
        return self.parent_command(guest, count + 1, f"others={count}")

    def parent_command(self, guest, most, words):
        return self.test_command(guest) + [
            "--privileges", "create-partitions,access-memory-pool,access-vp-registers",
            "--children", f"partitions={most},vps={most}", "--cmdline", words]

    def contention_command(self, guest, count):
        return self.test_command(guest) + self.processors(count) + ["--cmdline", f"cpus={count} contend=1"]

    def ports_command(self, guest, count):
        return self.test_command(guest) + ["--pool", POOL, "--cmdline", f"ports={count}"]

    def idle_command(self, guest, mib, cpus=1):
        return [*self.begin, "--memory", f"{mib}M", "--cpus", str(cpus), "--kernel", guest.idle_program, "--cmdline", IDLE_WORDS]

    def partitions_command(self, guest, count, config):
        with open(config, "w", encoding="utf-8") as file:
            for number in range(count):
                file.write(f'''[[guest]]
name = "guest{number}"
kernel = "{guest.idle_program}"
cmdline = "{IDLE_WORDS}"
memory = "{IDLE_GUEST_MIB}M"
console = "lines"
''')
        return [*self.begin, "--config", config]

    def pair_command(self, guest, config):
        """Two guests: the first measures, the second, with partition ID 3, is its peer."""
        with open(config, "w", encoding="utf-8") as file:
            for name, cpus, command_line in ("measuring", 2, "peer=3"), ("peer", 1, "serve=2"):
                file.write(f'''[[guest]]
name = "{name}"
kernel = "{guest.test_program}"
cmdline = "{command_line}"
cpus = {cpus}
memory = "{TEST_GUEST_MIB}M"
console = "lines"
test-devices = true
privileges = ["create-port", "connect-port"]
''')
        return [*self.begin, "--config", config]

    def linux_command(self, guest, initrd):
        return [*self.begin, "--memory", f"{LINUX_MIB}M", "--kernel", guest.kernel, "--initrd", initrd,
                "--cmdline", LINUX_COMMAND_LINE]

    def disk_command(self, guest, initrd):
        return self.linux_command(guest, initrd) + ["--disk", guest.disk]

    def network_command(self, guest, initrd):
        return self.linux_command(guest, initrd) + ["--net", f"tap={TAP},mac={MAC}"]

    def debian_command(self, debian, disk):
        """debian is a folder with the files of scripts/guest-image, disk a copy of its disk."""
        return [*self.begin, "--memory", f"{DEBIAN_MIB}M", "--kernel", f"{debian}/vmlinuz", "--initrd", f"{debian}/initrd",
                "--disk", disk, "--net", "user", "--cmdline", f"{LINUX_COMMAND_LINE} root=/dev/sda"]


    def firmware_command(self, disk):
        return [*self.begin, "--memory", f"{FIRMWARE_MIB}M", "--firmware", "auto", "--disk", disk]

    def uefi_debian_command(self, esp, disk):
        """esp is the disk with the boot loader and the kernel."""
        return [*self.begin, "--memory", f"{DEBIAN_MIB}M", "--firmware", "auto", "--disk", esp, "--disk", disk, "--net", "user",
                "--display", f"vnc=unix:{VNC}"]

    def screen_command(self, guest, initrd):
        return [*self.begin, "--memory", f"{LINUX_MIB}M", "--kernel", guest.generic_kernel, "--initrd", initrd,
                "--cmdline", SCREEN_COMMAND_LINE, "--display", f"vnc=unix:{VNC}"]


class Unconfined(Porthole):
    """The same program without its jail."""

    name = "unconfined"

    def __init__(self, binary):
        super().__init__(binary, ("--jail", "off"))


class Qemu:
    """Runs one guest, and so has no pair_command."""

    name = "qemu"
    hyperv = "host,hv-vpindex,hv-runtime,hv-time,hv-synic,hv-stimer,hv-stimer-direct,hv-frequencies,hv-ipi"
    test_success = 1

    def __init__(self, binary):
        self.binary = binary
        self.common = [binary, "-machine", "q35", "-accel", "kvm", "-smp", "1", "-display", "none", "-serial", "stdio",
                       "-no-reboot"]

    def test_command(self, guest):
        return self.common + [
            "-cpu", self.hyperv, "-device", "hyperv-testdev", "-device", "isa-debug-exit,iobase=0xf4,iosize=4",
            "-nodefaults", "-m", str(TEST_GUEST_MIB), "-kernel", guest.test_program]

    def processors(self, count):
        return ["-smp", str(count)]  # the last one counts

    def processors_command(self, guest):
        return self.test_command(guest) + self.processors(2) + ["-append", "cpus=2"]

    def contention_command(self, guest, count):
        return self.test_command(guest) + self.processors(count) + ["-append", f"cpus={count} contend=1"]

    def idle_command(self, guest, mib, cpus=1):
        return self.common + ["-cpu", self.hyperv, "-nodefaults", "-smp", str(cpus), "-m", str(mib),
                              "-kernel", guest.idle_program, "-append", IDLE_WORDS]

    def linux_command(self, guest, initrd):
        # The q35 machine as it comes, but for the network card, which would wait for a server to boot from.
        return self.common + ["-cpu", "host", "-nic", "none", "-m", str(LINUX_MIB), "-kernel", guest.kernel, "-initrd", initrd,
                              "-append", LINUX_COMMAND_LINE]

    def disk_command(self, guest, initrd):
        # The quickest that it has for a file: a thread for the disk, and the page cache, as Porthole uses it.
        return self.linux_command(guest, initrd) + [
            "-object", "iothread,id=thread", "-drive", f"if=none,id=disk,format=raw,file={guest.disk}",
            "-device", "virtio-blk-pci,drive=disk,iothread=thread"]

    def network_command(self, guest, initrd):
        command = self.linux_command(guest, initrd)
        command[command.index("-nic"):command.index("-nic") + 2] = [
            "-netdev", f"tap,id=net,ifname={TAP},script=no,downscript=no,vhost=off",
            "-device", f"virtio-net-pci,netdev=net,romfile=,mac={MAC}"]
        return command

    def debian_command(self, debian, disk):
        return self.common + ["-cpu", "host", "-m", str(DEBIAN_MIB), "-kernel", f"{debian}/vmlinuz", "-initrd", f"{debian}/initrd",
                              "-drive", f"file={disk},format=raw,if=virtio", "-netdev", "user,id=net",
                              "-device", "virtio-net-pci,netdev=net,romfile=",
                              "-append", f"{LINUX_COMMAND_LINE} root=/dev/vda"]

    def by_firmware(self, mib):
        return self.common + [
            "-cpu", "host", "-m", str(mib), "-drive", f"if=pflash,format=raw,readonly=on,file={FIRMWARE}",
            "-drive", f"if=pflash,format=raw,file={NVRAM}"]

    def firmware_command(self, disk):
        # Without a screen and a network card, which Porthole has not either then.
        return self.by_firmware(FIRMWARE_MIB) + ["-vga", "none", "-nic", "none", "-drive", f"file={disk},format=raw,if=virtio"]

    def uefi_debian_command(self, esp, disk):
        return self.by_firmware(DEBIAN_MIB) + [
            "-drive", f"file={esp},format=raw,if=virtio", "-drive", f"file={disk},format=raw,if=virtio", "-netdev", "user,id=net",
            "-device", "virtio-net-pci,netdev=net,romfile=", "-vnc", f"unix:{VNC}"]


class Kvmtool:
    """Gives its guests no Hyper-V, and so runs only Linux."""

    name = "kvmtool"

    def __init__(self, binary):
        self.binary = binary

    def linux_command(self, guest, initrd):
        return [self.binary, "run", "--cpus", "1", "--mem", str(LINUX_MIB), "--console", "serial", "--network", "mode=none",
                "--kernel", guest.kernel, "--initrd", initrd, "--params", LINUX_COMMAND_LINE]

    def disk_command(self, guest, initrd):
        return self.linux_command(guest, initrd) + ["--disk", guest.disk]

    def network_command(self, guest, initrd):
        command = self.linux_command(guest, initrd)
        command[command.index("mode=none")] = f"mode=tap,tapif={TAP},trans=virtio,guest_mac={MAC}"
        return command


PEERS = {"qemu": Qemu, "kvmtool": Kvmtool, "unconfined": Unconfined}
TITLES = {"qemu": "QEMU", "unconfined": "without jail"}  # where it is not the name itself


def peer(name, binary):
    return PEERS[name](binary)


def title(name):
    return TITLES.get(name, name)
