"""A Linux guest under test: its console, its sockets, its shell and its control socket."""
import json
import pathlib
import re
import socket
import subprocess
import threading
import time

porthole = pathlib.Path(__file__).resolve().parents[3] / "build/release/porthole"
patience = 60  # seconds, for what takes a fraction of one


class Failure(Exception):
    pass


class Console:
    """What the guest prints, line by line, as it comes."""

    def __init__(self, stream, log):
        self.lines = []
        self.changed = threading.Condition()
        self.ended = False
        threading.Thread(target=self.read, args=(stream, log), daemon=True).start()

    def read(self, stream, log):
        with open(log, "wb") as out:
            for line in stream:
                out.write(line)
                out.flush()
                with self.changed:
                    self.lines.append(line.decode(errors="replace").strip())
                    self.changed.notify_all()
        with self.changed:
            self.ended = True
            self.changed.notify_all()

    def await_line(self, text, times=1):
        def there():
            return sum(text in line for line in self.lines) >= times

        with self.changed:
            if not self.changed.wait_for(lambda: there() or self.ended, patience) or not there():
                raise Failure(f"the guest does not print '{text}'")


def free_udp_port():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Guest:
    def __init__(self, folder, results, kernel, initrd):
        self.vsock = f"{folder}/guest.vsock"
        self.control = f"{folder}/control"
        self.folder = folder
        self.port = free_udp_port()  # of the host, which leads to one of the guest where nobody listens
        self.process = subprocess.Popen(
            [porthole, "run", "--kernel", kernel, "--initrd", initrd, "--memory", "256M,max=384M", "--cpus", "2",
             "--vsock", self.vsock, "--control", self.control, "--on-reboot", "restart",
             "--allow", folder, "--allow", "/dev", "--allow", "nbd",
             "--net", f"user,hostfwd=udp:127.0.0.1:{self.port}-10.0.2.15:9", "--cmdline", "console=ttyS0 quiet swiotlb=noforce"],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        self.console = Console(self.process.stdout, f"{results}/services.log")

    def await_services(self, boots=1):
        for port in 5000, 5001:
            self.console.await_line(f"== listening on port {port}", boots)

    def connect(self, port):
        client = socket.socket(socket.AF_UNIX)
        client.settimeout(patience)
        client.connect(self.vsock)
        client.sendall(b"CONNECT %d\n" % port)
        answer = b""
        while not answer.endswith(b"\n"):
            byte = client.recv(1)
            if not byte:
                raise Failure(f"no connection to port {port} of the guest")
            answer += byte
        if not re.fullmatch(rb"OK \d+\n", answer):
            raise Failure(f"instead of OK, the answer is {answer}")
        return client

    def shell(self, script):
        """What a shell in the guest prints when it runs the script."""
        with self.connect(5000) as client:
            client.sendall(script.encode())
            client.shutdown(socket.SHUT_WR)
            return read_all(client).decode()

    def ctl(self, *command):
        done = subprocess.run([porthole, "ctl", self.control, *command, "--json"], capture_output=True, text=True,
                              timeout=patience)
        if done.returncode != 0:
            raise Failure(f"ctl {' '.join(command)}: {done.stderr.strip()}")
        return json.loads(done.stdout)

    def heartbeat(self):
        return self.ctl("status")["guests"][0]["heartbeat"]


def read_all(client):
    parts = []
    while part := client.recv(1 << 16):
        parts.append(part)
    return b"".join(parts)


def exchange(client, data):
    """Sends that and reads what comes, at the same time: neither end may wait for the other to read first."""
    sender = threading.Thread(target=lambda: (client.sendall(data), client.shutdown(socket.SHUT_WR)))
    sender.start()
    heard = read_all(client)
    sender.join()
    return heard


def eventually(wanted, what):
    """Asks until it is so: for what the guest does in its own time."""
    end = time.monotonic() + patience
    while not wanted():
        if time.monotonic() > end:
            raise Failure(what)
        time.sleep(0.2)


def expect(holds, what):
    if not holds:
        raise Failure(what)


def local(*command):
    done = subprocess.run(command, capture_output=True, text=True, timeout=patience)
    if done.returncode != 0:
        raise Failure(f"{' '.join(command)}: {done.stderr.strip()}")
    return done.stdout.strip()
