#!/usr/bin/env python3
"""Starts the lab machine for scripts/lab, passes the command's streams through, and exits with its status.

The machine has three virtio serial ports: the command's stdout, stderr and stdin. The first two end in the run's nonce
(stdout's followed by the exit status in three columns), as scripts/lab.d/init writes them. On its console the nonce says
that the command starts.
"""

import argparse
import ctypes
import os
import select
import shutil
import signal
import socket
import subprocess
import sys
import termios
import time
import tty

sys.dont_write_bytecode = True

import mend_qemu  # noqa: E402

# How long a machine may take until it starts the command: in seconds that it has worked, some 20 when all is well, so that one
# that gets little of the host's processors is not taken for one that hangs; and at all.
START_WORK_LIMIT = 180
START_LIMIT = 900
STATUS_COLUMNS = 3
TIMED_OUT, MACHINE_FAILED = 124, 125
DIE_WITH_PARENT = 1  # PR_SET_PDEATHSIG, prctl(2)


class Ended(Exception):
    """The session is over, with this exit status and perhaps something to say."""

    def __init__(self, status, message=""):
        super().__init__(message)
        self.status = status


class Output:
    """One output stream: passes everything on but the nonce and what follows it."""

    def __init__(self, target, nonce, trailer):
        self.host, self.machine = socket.socketpair()
        self.target = target
        self.nonce = nonce
        self.length = len(nonce) + trailer
        self.held = b""
        self.trailer = None

    def pump(self):
        """Handles what can be read; False once the machine has closed the stream."""
        data = self.host.recv(1 << 16)
        self.held += data
        end = self.held.find(self.nonce)
        if end >= 0 and len(self.held) >= end + self.length:
            self.trailer = self.held[end + len(self.nonce):end + self.length]
            self.write(end)
        elif end < 0:
            self.write(len(self.held) - self.possible_nonce())
        return bool(data)

    def possible_nonce(self):
        """How many bytes at the end may be the beginning of the nonce."""
        longest = min(len(self.held), len(self.nonce) - 1)
        return next((n for n in range(longest, 0, -1) if self.nonce.startswith(self.held[-n:])), 0)

    def write(self, count):
        data, self.held = memoryview(self.held)[:count], self.held[count:]
        while data:
            data = data[os.write(self.target, data):]


class Input:
    """The host's stdin on its way to the command, never read further ahead than the machine accepts it."""

    def __init__(self):
        self.host, self.machine = socket.socketpair()
        self.host.setblocking(False)
        self.pending = b""
        self.open = True
        background = os.isatty(0) and os.tcgetpgrp(0) != os.getpgrp()
        if background:
            self.close()

    def close(self):
        self.open = False
        self.host.shutdown(socket.SHUT_WR)

    def read(self):
        self.pending = os.read(0, 1 << 12)
        if not self.pending:
            self.close()

    def write(self):
        self.pending = self.pending[self.host.send(self.pending):]


def die_with_parent():
    ctypes.CDLL(None).prctl(DIE_WITH_PARENT, signal.SIGKILL)


def start(machine, run, ports):
    """Starts QEMU with these ports, the first of which is number 1 in the machine."""
    arguments = machine + ["-device", "virtio-serial-pci"]
    for number, port in enumerate(ports, start=1):
        arguments += ["-chardev", f"socket,id=port{number},fd={port.machine.fileno()}",
                      "-device", f"virtserialport,chardev=port{number},nr={number}"]
    with open(f"{run}/qemu", "wb") as log:
        process = subprocess.Popen(arguments, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
                                   pass_fds=[port.machine.fileno() for port in ports], preexec_fn=die_with_parent)
    for port in ports:
        port.machine.close()
    try:
        mend_qemu.mend(process.pid)
    except (OSError, mend_qemu.Unknown) as error:
        print(f"lab: QEMU's AMD-V stays as it is, and may give a guest an interrupt twice (docs/lab.md): {error}", file=sys.stderr)
    return process


def started(run, nonce):
    """Whether the machine has got as far as the command, which it says on its console."""
    try:
        with open(f"{run}/console", "rb") as console:
            return nonce in console.read()
    except FileNotFoundError:
        return False


def worked(process):
    """Seconds that this process has been executed, on all processors together (proc(5))."""
    with open(f"/proc/{process.pid}/stat", encoding="ascii") as file:
        user, system = file.read().rpartition(")")[2].split()[11:13]
    return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")


def last_words(run):
    """The end of what the machine and QEMU printed, for a machine that failed."""
    lines = []
    for name in ("console", "qemu"):
        try:
            with open(f"{run}/{name}", "rb") as log:
                text = log.read()[-8192:].decode(errors="replace")
            lines += [f"  {name}: {line.rstrip()}" for line in text.splitlines() if "TCG doesn't support" not in line]
        except FileNotFoundError:
            pass
    return "\n".join(lines[-30:])


def relay(options, process, out, err, keyboard):
    """Passes data to and fro until the command has ended, its output is complete, or time is up."""
    begin = time.monotonic()
    running = False
    outputs = [out, err]
    while outputs:
        if not running and started(options.run, out.nonce):
            running = True
            begin = time.monotonic()
        elapsed = time.monotonic() - begin
        if running and options.timeout and elapsed > options.timeout:
            raise Ended(TIMED_OUT, f"ended the command after {options.timeout} s")
        if not running and (elapsed > START_LIMIT or worked(process) > START_WORK_LIMIT):
            raise Ended(MACHINE_FAILED, f"the machine has not started the command, {elapsed:.0f} s after its start")

        readers = [stream.host for stream in outputs]
        writers = []
        if keyboard.pending:
            writers.append(keyboard.host)
        elif keyboard.open:
            readers.append(0)
        readable, writable, _ = select.select(readers, writers, [], 0.5)
        if 0 in readable:
            keyboard.read()
        if writable:
            keyboard.write()
        for stream in [stream for stream in outputs if stream.host in readable]:
            if not stream.pump() and stream.trailer is None:
                raise Ended(MACHINE_FAILED, "the machine ended before the command did")
            if stream.trailer is not None:
                outputs.remove(stream)
    raise Ended(int(out.trailer))


def raise_signal(number, _frame):
    raise Ended(128 + number)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--run", required=True)
    parser.add_argument("--nonce", required=True)
    parser.add_argument("--timeout", type=int, default=0)
    parser.add_argument("--tty", action="store_true")
    parser.add_argument("machine", nargs="+")
    options = parser.parse_args()

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, raise_signal)
    nonce = options.nonce.encode()
    process, terminal = None, None
    try:
        out, err, keyboard = Output(1, nonce, STATUS_COLUMNS), Output(2, nonce, 0), Input()
        process = start(options.machine, options.run, [out, err, keyboard])
        if options.tty and os.isatty(0):
            terminal = termios.tcgetattr(0)
            tty.setraw(0)
        relay(options, process, out, err, keyboard)
    except BrokenPipeError:
        status = 128 + signal.SIGPIPE
    except Ended as end:
        status = end.status
        if status == MACHINE_FAILED and str(end):
            print(last_words(options.run), file=sys.stderr)
        if str(end):
            print(f"lab: {end}", file=sys.stderr)
    finally:
        if terminal is not None:
            termios.tcsetattr(0, termios.TCSADRAIN, terminal)
        if process is not None:
            process.kill()
            process.wait()
        shutil.rmtree(options.run, ignore_errors=True)
    return status


if __name__ == "__main__":
    sys.exit(main())
