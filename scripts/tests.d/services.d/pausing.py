"""Pause, of a guest at rest and of one that is busy with everything; and going down."""
import contextlib
import os
import socket
import subprocess
import threading
import time

from agreed import difference
from disks import AddedDisk, MIB, nbd_server
from guest import eventually, expect, Failure, local, patience, porthole
from sockets import pattern


def pause(guest):
    """Nobody answers, and then the clock is right again: while it is paused, a guest's time may stand still."""
    with guest.connect(5001) as client:
        client.sendall(b"before")
        expect(client.recv(100) == b"before", "the guest has no echo")
        guest.ctl("pause")
        client.sendall(b"after")
        client.settimeout(3)
        try:
            raise Failure(f"a paused guest answers {client.recv(100)}")
        except TimeoutError:
            pass
        expect(guest.ctl("status")["guests"][0]["state"] == "paused", "the status is not 'paused'")
        guest.ctl("resume")
        client.settimeout(patience)
        expect(client.recv(100) == b"after", "the guest does not go on")
    eventually(lambda: abs(difference(guest) + 0.5) < 1.5, "the guest's clock stays behind")


MEMORY = 256 * MIB


class Memory:
    """The guest's RAM, as its run has it mapped."""

    def __init__(self, guest):
        self.pid = guest.process.pid
        merged = []
        with open(f"/proc/{self.pid}/maps", encoding="utf-8") as maps:
            for line in maps:
                span, access = line.split()[:2]
                start, end = (int(word, 16) for word in span.split("-"))
                if not access.startswith("rw"):
                    continue
                if merged and merged[-1][1] == start:
                    merged[-1][1] = end
                else:
                    merged.append([start, end])
        self.spans = [(start, end) for start, end in merged if MEMORY <= end - start < 2 * MEMORY]
        expect(self.spans, "no mapping is as large as the guest's memory")

    def content(self):
        parts = []
        with open(f"/proc/{self.pid}/mem", "rb", buffering=0) as memory:
            for start, end in self.spans:
                memory.seek(start)
                while start < end:
                    parts.append(memory.read(min(end - start, 16 * MIB)))
                    start += len(parts[-1])
        return parts

    @staticmethod
    def differences(before, after):
        """Offsets of the first pages that differ."""
        page, at, pages = 4096, 0, []
        for old, new in zip(before, after):
            if old != new:
                pages += [hex(at + n) for n in range(0, len(old), page) if old[n:n + page] != new[n:n + page]]
            at += len(old)
        return pages[:10]


class Load:
    """All that a guest can be busy with at once, from inside and from outside, until it ends. With pauses: in the lab
    its processors are emulated, and its shell has to answer meanwhile."""

    def __init__(self, guest, disks_to_use):
        self.guest, self.disks = guest, disks_to_use
        self.going = True
        self.sent, self.heard, self.wrong = 0, 0, None

    def __enter__(self):
        work = ["ping -c 1 -W 1 10.0.2.2 && echo >> /pinged"]
        for disk in self.disks:
            work += [f"dd if=/dev/{disk.name} of=/dev/null bs=64k count=50 iflag=direct && echo >> /read",
                     f"dd if=/dev/zero of=/dev/{disk.name} bs=64k count=50 oflag=direct"]
        self.jobs = len(work)
        script = "touch /busy /read /pinged /ended\n"
        for job in work:
            script += "{ while [ -e /busy ]; do " + job + "; sleep 0.2; done; echo >> /ended; } &\n"
        # A shell of its own: in one that redirects a group of commands, what it starts keeps the connection open.
        self.guest.shell(f"sh > /dev/null 2>&1 << 'END'\n{script}END")
        self.client = self.guest.connect(5001)
        self.threads = [threading.Thread(target=work) for work in (self.send, self.hear, self.datagrams)]
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.going = False
        self.threads[0].join()
        self.client.shutdown(socket.SHUT_WR)
        for thread in self.threads[1:]:
            thread.join()
        self.client.close()
        self.guest.shell("rm /busy")
        # Before its disks go.
        eventually(lambda: int(self.guest.shell("wc -l < /ended")) == self.jobs, "the guest's work does not end")

    def send(self):
        while self.going:
            block = pattern(4096)
            try:
                self.client.sendall(block)
                self.sent += len(block)
                time.sleep(0.02)
            except OSError as error:
                self.wrong = f"sending to the guest fails: {error}"
                return

    def hear(self):
        expected = pattern(4096)
        while part := self.client.recv(1 << 16):
            at = self.heard % len(expected)
            if part != (expected * (len(part) // len(expected) + 2))[at:at + len(part)]:
                self.wrong = "what comes back from the guest is not what was sent"
            self.heard += len(part)

    def datagrams(self):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            while self.going:
                sender.sendto(b"for a port where nobody listens", ("127.0.0.1", self.guest.port))
                time.sleep(0.02)

    def progress(self):
        """Counts that grow while the guest works."""
        said = self.guest.shell("wc -l < /read; wc -l < /pinged").split()
        return [*(int(word) for word in said), self.heard, self.inspected()]

    def inspected(self):
        channels = self.guest.ctl("inspect", "partitions/2/vmbus").values()
        return max(node["device"].get("frames_received", 0) for node in channels if isinstance(node, dict))

    def await_progress(self):
        before = self.progress()
        try:
            eventually(lambda: all(new > old for new, old in zip(self.progress(), before)), "")
        except Failure:
            raise Failure(f"of disks, pings, echo and frames something stands still: {before}, then {self.progress()}") from None


def pause_memory(guest):
    """A paused guest's memory stays as it is, however busy its devices were and are still kept from outside."""
    errors = guest.shell("dmesg -r | grep -cE '^<[0-3]>'")
    with contextlib.ExitStack() as stack:
        image, path = f"{guest.folder}/busy", f"{guest.folder}/busy.nbd"
        local("truncate", "--size", "16M", image)
        stack.enter_context(nbd_server(image, "raw", path))
        busy = [stack.enter_context(AddedDisk(guest, f"nbd+unix:///?socket={path}", 16 * MIB))]
        if "PORTHOLE_IN_LAB" in os.environ:
            other = f"{guest.folder}/busy.device"
            local("truncate", "--size", "16M", other)
            local("modprobe", "loop")
            device = local("losetup", "--find", "--show", other)
            stack.callback(local, "losetup", "--detach", device)
            busy.append(stack.enter_context(AddedDisk(guest, device, 16 * MIB)))
        load = stack.enter_context(Load(guest, busy))
        load.await_progress()

        guest.ctl("pause")
        memory = Memory(guest)
        before = memory.content()
        refused = subprocess.run([porthole, "ctl", guest.control, "key", "1e"], capture_output=True, text=True, timeout=patience)
        expect(refused.returncode == 1 and "is paused: resume it first" in refused.stderr, f"a key for a paused guest: {refused}")
        guest.ctl("net-link", "0", "down")
        guest.ctl("net-link", "0", "up")
        for _ in range(10):
            guest.ctl("status")
            guest.ctl("inspect")
            time.sleep(1)
        changed = memory.differences(before, memory.content())
        guest.ctl("resume")
        expect(not changed, f"the paused guest's memory has changed at {changed}")
        load.await_progress()
    expect(not load.wrong, load.wrong)
    expect(load.heard == load.sent, f"of {load.sent} bytes {load.heard} came back")
    expect(guest.shell("dmesg -r | grep -cE '^<[0-3]>'") == errors, "the kernel complains")


def reboot(guest):
    expect(guest.ctl("shutdown", "reboot") == {"asked-by": "shutdown-service"}, "the service was not asked")
    guest.console.await_line("== going down by reboot")
    guest.await_services(2)
    expect(guest.shell("echo up") == "up\n", "no shell after the reboot")


def power_off(guest):
    expect(guest.ctl("shutdown") == {"asked-by": "shutdown-service"}, "the service was not asked")
    guest.console.await_line("== going down by poweroff")
    expect(guest.process.wait(patience) == 0, "the run does not end with status 0")
    expect(not os.path.exists(guest.vsock), "the socket is still there")
