"""Disks that come and go while the guest runs, and what goes wrong with their images."""
import contextlib
import hashlib
import os
import subprocess

from guest import eventually, expect, local, patience

MIB = 1 << 20
BLOCK = 64 << 10   # of each transfer
SAMPLE = 8 * BLOCK  # at the start of a disk


def disks(guest):
    return set(guest.shell("ls /sys/block | grep ^sd").split())


class AddedDisk:
    """A disk that the guest gets while it runs, and loses again."""

    def __init__(self, guest, image, size):
        self.guest, self.image, self.size = guest, image, size

    def __enter__(self):
        before = disks(self.guest)
        self.place = self.guest.ctl("disk-add", self.image)
        eventually(lambda: disks(self.guest) > before, f"no disk appears for {self.image}")
        (self.name,) = disks(self.guest) - before
        size = int(self.guest.shell(f"cat /sys/block/{self.name}/size")) * 512
        expect(size == self.size, f"the disk has {size} bytes, not {self.size}")
        return self

    def __exit__(self, *_):
        self.guest.ctl("disk-remove", str(self.place["controller"]), str(self.place["lun"]))
        eventually(lambda: self.name not in disks(self.guest), f"{self.name} does not go")

    def fill(self):
        """The digest of a sample that the guest has written, and read back from the disk itself."""
        device = f"/dev/{self.name}"
        said = self.guest.shell(
            f"head -c {SAMPLE} /dev/urandom > /data && sha256sum < /data && "
            f"dd if=/data of={device} bs={BLOCK} oflag=direct conv=fsync && "
            f"dd if={device} bs={BLOCK} count={SAMPLE // BLOCK} iflag=direct | sha256sum").split()
        expect(len(said) == 4, f"the guest cannot write {self.image}")
        expect(said[0] == said[2], f"the guest reads other data from {self.image} than it has written")
        return said[0]

    def reads(self, block):
        return self.transfer(f"if=/dev/{self.name} of=/dev/null skip={block} iflag=direct")

    def writes(self, block):
        return self.transfer(f"if=/dev/zero of=/dev/{self.name} seek={block} oflag=direct conv=fsync")

    def transfer(self, operands):
        return self.guest.shell(f"dd bs={BLOCK} count=1 {operands} && echo done") == "done\n"

    def inspected(self):
        disks_of_guest = self.guest.ctl("inspect", "partitions/2/disks")
        return disks_of_guest[str(self.place["controller"])][str(self.place["lun"])]


def digest_of(path):
    with open(path, "rb") as image:
        return hashlib.sha256(image.read(SAMPLE)).hexdigest()


def disk_file(guest):
    image = f"{guest.folder}/image"
    local("truncate", "--size", "48M", image)
    with AddedDisk(guest, image, 48 * MIB) as disk:
        written = disk.fill()
        expect(disk.inspected()["path"] == image, f"inspect shows {disk.inspected()}")
    expect(digest_of(image) == written, "the file has other data than the guest wrote")


def disk_device(guest):
    """A block device of the host."""
    image = f"{guest.folder}/device"
    local("truncate", "--size", "40M", image)
    local("modprobe", "loop")
    device = local("losetup", "--find", "--show", image)
    try:
        with AddedDisk(guest, device, 40 * MIB) as disk:
            written = disk.fill()
        expect(digest_of(device) == written, "the device has other data than the guest wrote")
    finally:
        local("losetup", "--detach", device)
    expect(digest_of(image) == written, "the file behind the device has other data than the guest wrote")


@contextlib.contextmanager
def nbd_server(image, form, path):
    """Has let go of the image when it ends."""
    server = subprocess.Popen(["qemu-nbd", "--persistent", "--format", form, "--discard", "unmap", "--socket", path, image])
    try:
        eventually(lambda: os.path.exists(path), "qemu-nbd makes no socket")
        yield
    finally:
        server.terminate()
        server.wait(patience)


def disk_qcow2(guest):
    """By qemu-nbd."""
    image, path = f"{guest.folder}/image.qcow2", f"{guest.folder}/nbd"
    local("qemu-img", "create", "-q", "-f", "qcow2", image, "56M")
    with nbd_server(image, "qcow2", path), AddedDisk(guest, f"nbd+unix:///?socket={path}", 56 * MIB) as disk:
        written = disk.fill()
        expect(disk.inspected()["connected"], f"inspect shows {disk.inspected()}")
    local("qemu-img", "check", "-q", image)
    local("qemu-img", "convert", "-f", "qcow2", "-O", "raw", image, f"{guest.folder}/raw")
    expect(digest_of(f"{guest.folder}/raw") == written, "the image has other data than the guest wrote")


def disk_shrunk(guest):
    """The image is cut short under the guest: it gets errors, keeps what is left, and the file is not made longer again."""
    image = f"{guest.folder}/shrinking"
    local("truncate", "--size", "16M", image)
    with AddedDisk(guest, image, 16 * MIB) as disk:
        disk.fill()
        os.truncate(image, SAMPLE)
        expect(not disk.reads(9), "what is no longer there can be read")
        expect(not disk.writes(9), "what is no longer there can be written")
        expect(disk.reads(1), "what is left cannot be read")
    expect(os.path.getsize(image) == SAMPLE, "the image was made longer again")


def disk_full(guest):
    """The host's file system is full: the write fails, and nothing else."""
    small, image, other = f"{guest.folder}/small", f"{guest.folder}/small/image", f"{guest.folder}/other"
    os.mkdir(small)
    local("mount", "-t", "tmpfs", "-o", "size=1M", "none", small)
    try:
        local("truncate", "--size", "16M", image)
        local("truncate", "--size", "16M", other)
        with AddedDisk(guest, image, 16 * MIB) as full, AddedDisk(guest, other, 16 * MIB) as roomy:
            written = full.fill()
            said = guest.shell(f"dd if=/dev/zero of=/dev/{full.name} bs={BLOCK} seek=8 oflag=direct 2>&1")
            expect("No space left" in said, f"instead of having no space, the write says: {said}")
            roomy.fill()
            expect(full.writes(1), "nothing can be written any more, not even where there is room")
            written = full.fill()
        expect(digest_of(image) == written, "the image has other data than the guest wrote")
    finally:
        local("umount", small)


def disk_server_gone(guest):
    image, path = f"{guest.folder}/served", f"{guest.folder}/served.nbd"
    local("truncate", "--size", "16M", image)
    with contextlib.ExitStack() as stack:
        with nbd_server(image, "raw", path):
            disk = stack.enter_context(AddedDisk(guest, f"nbd+unix:///?socket={path}", 16 * MIB))
            written = disk.fill()
        expect(not disk.reads(0), "without its server, the disk can be read")
        with nbd_server(image, "raw", path):
            eventually(lambda: disk.reads(0), "the disk does not come back with its server")
            expect(guest.shell(f"head -c {SAMPLE} /dev/{disk.name} | sha256sum").split()[0] == written, "it has other data now")
            stack.close()
