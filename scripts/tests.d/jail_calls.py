"""usage: scripts/jail-calls [--store FILE] COMMAND [ARGUMENT...]
       scripts/jail-calls [--store FILE] --report

The command's processes get a filter of system calls (seccomp_unotify(2)) that asks this program about each call. It lets
every call go on, but one: a thread of Porthole that loads a filter of its own is told that it has, and the filter is kept
here. From then on the thread's calls are put to that filter, and counted by what it would have said.
"""

import argparse
import ctypes
import fcntl
import json
import os
import pathlib
import re
import select
import struct
import sys

PROJECT = pathlib.Path(__file__).resolve().parents[2]

# Linux, include/uapi: numbers of x86-64
SYS_IOCTL, SYS_SOCKET, SYS_EXECVE, SYS_EXIT, SYS_PRCTL, SYS_EXIT_GROUP, SYS_SECCOMP, SYS_EXECVEAT = 16, 41, 59, 60, 157, 231, 317, 322
SYS_PIDFD_OPEN, SYS_PIDFD_GETFD, SYS_PROCESS_VM_READV = 434, 438, 310
PR_SET_NO_NEW_PRIVS, PR_SET_DUMPABLE = 38, 4
SECCOMP_SET_MODE_FILTER, FLAG_NEW_LISTENER, FLAG_WAIT_KILLABLE_RECV = 1, 8, 32
RET_ALLOW, RET_ERRNO, RET_USER_NOTIF, RET_ACTION = 0x7FFF0000, 0x00050000, 0x7FC00000, 0xFFFF0000
NOTIF_RECV, NOTIF_SEND, NOTIF_CONTINUE = 0xC0502100, 0xC0182101, 1
AUDIT_ARCH_X86_64 = 0xC000003E
NOTICE = struct.Struct("=QIIiIQ6Q")  # struct seccomp_notif
ANSWER = struct.Struct("=QqiI")  # struct seccomp_notif_resp
INSTRUCTION = struct.Struct("=HBBI")  # struct sock_filter

# Calls of which one argument says what is done: each of its values is an entry of a list.
CHOOSERS = {SYS_IOCTL: 1, SYS_PRCTL: 0, SYS_SOCKET: 0}
MOST_CALLS = 512

libc = ctypes.CDLL(None, use_errno=True)


def syscall(*arguments):
    result = libc.syscall(*(ctypes.c_long(one) if isinstance(one, int) else one for one in arguments))
    if result < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return result


def read_memory(process, address, size):
    """Bytes of another process."""
    buffer = ctypes.create_string_buffer(size)
    here = struct.pack("=QQ", ctypes.addressof(buffer), size)
    there = struct.pack("=QQ", address, size)
    if syscall(SYS_PROCESS_VM_READV, process, here, 1, there, 1, 0) != size:
        raise OSError("cannot read a filter from the process that loads it")
    return buffer.raw


def call_names():
    """By number, as libseccomp knows them."""
    library = ctypes.CDLL("libseccomp.so.2")
    library.seccomp_syscall_resolve_num_arch.restype = ctypes.c_char_p
    names = (library.seccomp_syscall_resolve_num_arch(AUDIT_ARCH_X86_64, number) for number in range(MOST_CALLS))
    return [name.decode() if name else str(number) for number, name in enumerate(names)]


NAMES = call_names()


def entry(call, arguments):
    """How a call is named in a report."""
    if call not in CHOOSERS:
        return NAMES[call]
    return f"{NAMES[call]} {arguments[CHOOSERS[call]] & 0xFFFFFFFF:#x}"


class Filter:
    """A program of the classic BPF, as seccomp has it (Linux, include/uapi/linux/filter.h)."""

    LOAD, AND, RETURN, JUMP = 0x20, 0x54, 0x06, 0x05
    COMPARE = {0x15: int.__eq__, 0x25: int.__gt__, 0x35: int.__ge__, 0x45: lambda a, b: a & b != 0}

    def __init__(self, program):
        self.steps = list(INSTRUCTION.iter_unpack(program))
        self.looks_at = {}  # call: its arguments that count, and for each the values that it is compared with
        self.answers = {}

    def decide(self, call, arguments):
        """What becomes of a call, by its number and arguments."""
        known = (call, *(arguments[index] for index in self.explore(call)))
        if known not in self.answers:
            data = struct.pack("=iIQ6Q", call, AUDIT_ARCH_X86_64, 0, *arguments)
            self.answers[known] = self.run(data)
        return self.answers[known]

    def allows(self, call, arguments):
        """Also where it is to fail, which libraries are prepared for."""
        return self.decide(call, arguments) & RET_ACTION in (RET_ALLOW, RET_ERRNO)

    def run(self, data):
        at, value = 0, 0
        while True:
            code, yes, no, operand = self.steps[at]
            at += 1
            if code == self.LOAD:
                value = int.from_bytes(data[operand:operand + 4], "little")
            elif code == self.AND:
                value &= operand
            elif code == self.JUMP:
                at += operand
            elif code == self.RETURN:
                return operand
            else:
                at += yes if self.COMPARE[code](value, operand) else no

    def explore(self, call):
        """Walks all ways that a call can take."""
        if call in self.looks_at:
            return self.looks_at[call]
        known = {0: call, 4: AUDIT_ARCH_X86_64}
        compared, seen, pending = {}, set(), [(0, None)]
        while pending:
            at, loaded = pending.pop()
            if (at, loaded) in seen:
                continue
            seen.add((at, loaded))
            code, yes, no, operand = self.steps[at]
            if code == self.LOAD:
                pending.append((at + 1, operand))
                if operand >= 16:
                    compared.setdefault((operand - 16) // 8, set())
            elif code == self.AND:
                pending.append((at + 1, loaded))
            elif code == self.JUMP:
                pending.append((at + 1 + operand, loaded))
            elif code != self.RETURN:
                ways = [yes, no]
                if loaded in known:
                    ways = [yes if self.COMPARE[code](known[loaded], operand) else no]
                elif loaded is not None and loaded % 8 == 0:
                    compared[(loaded - 16) // 8].add(operand)
                pending += [(at + 1 + way, loaded) for way in ways]
        self.looks_at[call] = compared
        return compared

    def entries(self):
        """All that it lists."""
        for call in range(MOST_CALLS):
            compared = self.explore(call)
            chooser = CHOOSERS.get(call)
            if chooser in compared:
                for value in compared[chooser]:
                    arguments = [0] * 6
                    arguments[chooser] = value
                    if self.allows(call, arguments):
                        yield entry(call, arguments)
            elif self.allows(call, self.pleasing(call, compared)):
                yield NAMES[call]

    def pleasing(self, call, compared):
        """Arguments that a call is allowed with, if there are any."""
        arguments = [0] * 6
        for index, values in compared.items():
            for value in sorted(values, reverse=True):
                arguments[index] = value
                if self.allows(call, arguments):
                    return arguments
                arguments[index] = 0
        return arguments


class Record:
    """What is known of threads, by what they are for."""

    def __init__(self, path):
        self.path = path
        self.roles = json.loads(path.read_text()) if path.exists() else {}

    def of(self, role):
        return self.roles.setdefault(role, {"listed": [], "made": {}, "not listed": {}})

    def listed(self, role, entries):
        known = self.of(role)
        known["listed"] = sorted(set(known["listed"]) | set(entries))

    def made(self, role, call, arguments, allowed):
        made = self.of(role)["made" if allowed else "not listed"]
        name = entry(call, arguments)
        made[name] = made.get(name, 0) + 1

    def save(self):
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.path.write_text(json.dumps(self.roles, indent=1, sort_keys=True))

    def report(self):
        """Prints it. Whether every call that was made is listed."""
        made = {name for role in self.roles.values() for name in role["made"]}
        for role, known in sorted(self.roles.items()):
            unused = [name for name in known["listed"] if name not in known["made"]]
            print(f"{role}: {len(known['made'])} of {len(known['listed'])} listed calls were made")
            for name, times in sorted(known["not listed"].items()):
                print(f"  MADE, NOT LISTED, {times} times: {name}")
            print(f"  by other threads alone: {', '.join(name for name in unused if name in made) or 'none'}")
            print(f"  by nobody: {', '.join(name for name in unused if name not in made) or 'none'}")
        return not any(known["not listed"] for known in self.roles.values())


class Supervisor:
    """Answers for the command's threads."""

    def __init__(self, record):
        self.record = record
        self.threads = {}  # thread: its role and filter, or None for what is no thread of Porthole's, or has no filter yet
        self.filters = {}

    def serve(self, listener, child, process):
        """Until nobody is left who asks. The exit status of the child, of which `process` is the pidfd."""
        waiting = select.poll()
        waiting.register(listener, select.POLLIN)
        waiting.register(process, select.POLLIN)
        notice = bytearray(NOTICE.size)
        status = None
        while True:
            events = dict(waiting.poll())
            if process in events:  # before Linux 6.11 it counts as one who may ask until it has been waited for
                waiting.unregister(process)
                status = os.waitpid(child, 0)[1]
            if listener not in events:
                continue
            if not events[listener] & select.POLLIN:
                return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1] if status is None else status)
            notice[:] = bytes(NOTICE.size)
            try:
                fcntl.ioctl(listener, NOTIF_RECV, notice)
            except OSError:
                continue  # it has ended, or a signal came first
            number, thread, _, call, _, _, *arguments = NOTICE.unpack(notice)
            error = self.stand_in(thread, call, arguments)
            answer = ANSWER.pack(number, 0, -error, 0) if error is not None else ANSWER.pack(number, 0, 0, NOTIF_CONTINUE)
            try:
                fcntl.ioctl(listener, NOTIF_SEND, answer)
            except OSError:
                pass

    def stand_in(self, thread, call, arguments):
        """What the call gives, an errno or 0, without being made. None: it is to go on."""
        if thread not in self.threads:
            self.threads[thread] = self.threads.get(process_of(thread))
        confined = self.threads[thread]
        if confined:
            role, program = confined
            self.record.made(role, call, arguments, program.allows(call, arguments))
            if program.decide(call, arguments) & RET_ACTION == RET_ERRNO:
                return program.decide(call, arguments) & ~RET_ACTION
        if call == SYS_SECCOMP and arguments[0] == SECCOMP_SET_MODE_FILTER and is_porthole(thread):
            return 0 if self.keep_filter(thread, arguments[2]) else None
        if call == SYS_PRCTL and arguments[:2] == [PR_SET_DUMPABLE, 0] and is_porthole(thread) and os.geteuid() != 0:
            return 0  # or its filters could not be read
        if call in (SYS_EXIT, SYS_EXIT_GROUP, SYS_EXECVE, SYS_EXECVEAT):
            self.threads.pop(thread, None)
        return None

    def keep_filter(self, thread, address):
        """False when there is none: libseccomp tries which flags the kernel knows without one."""
        try:
            length, at = struct.unpack("=H6xQ", read_memory(thread, address, 16))
            program = read_memory(thread, at, length * INSTRUCTION.size)
        except OSError:
            return False
        role = role_of(thread)
        if (role, program) not in self.filters:
            self.filters[role, program] = Filter(program)
            self.record.listed(role, self.filters[role, program].entries())
        self.threads[thread] = role, self.filters[role, program]
        return True


def fact(thread, name):
    """A line of /proc/THREAD/status."""
    found = re.search(rf"^{name}:\t(.*)$", pathlib.Path(f"/proc/{thread}/status").read_text(), re.MULTILINE)
    return found[1]


def process_of(thread):
    try:
        return int(fact(thread, "Tgid"))
    except OSError:
        return thread


def is_porthole(thread):
    try:
        return os.path.basename(os.readlink(f"/proc/{thread}/exe")) == "porthole"
    except OSError:
        return False


def role_of(thread):
    """As its name says: that of the first is the program's."""
    name = fact(thread, "Name")
    return "session" if name == "porthole" else re.sub(r"^vcpu\d+$", "vcpu", name)


def start_asking(command):
    """Starts the command. The descriptor that its calls are told by, its process, and that one's pidfd."""
    steps = INSTRUCTION.pack(Filter.RETURN, 0, 0, RET_USER_NOTIF)
    program = ctypes.create_string_buffer(steps, len(steps))
    filters = ctypes.create_string_buffer(struct.pack("=H6xQ", 1, ctypes.addressof(program)))
    child = os.fork()
    if child == 0:
        if os.geteuid() != 0:
            libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
        # Without the second (Linux 5.19) each signal has a call asked about anew: a guest's timers, for ever.
        flags = FLAG_NEW_LISTENER | FLAG_WAIT_KILLABLE_RECV, FLAG_NEW_LISTENER
        if all(libc.syscall(SYS_SECCOMP, SECCOMP_SET_MODE_FILTER, one, filters) < 0 for one in flags):
            os._exit(126)
        try:
            os.execvp(command[0], command)
        finally:
            os._exit(127)
    process = syscall(SYS_PIDFD_OPEN, child, 0)
    while True:  # its next call waits to be answered
        for descriptor in os.listdir(f"/proc/{child}/fd"):
            try:
                found = os.readlink(f"/proc/{child}/fd/{descriptor}") == "anon_inode:seccomp notify"
            except OSError:
                continue
            if found:
                return syscall(SYS_PIDFD_GETFD, process, int(descriptor), 0), child, process
        if fact(child, "State").startswith("Z"):
            sys.exit("jail-calls: this kernel, or the container, has no seccomp_unotify(2): Linux 5.5 and the right to it")


def main():
    parser = argparse.ArgumentParser(prog="scripts/jail-calls", usage=__doc__.split("\n\n", maxsplit=1)[0].removeprefix("usage: "))
    parser.add_argument("--store", type=pathlib.Path, default=PROJECT / "build/jail-calls.json")
    parser.add_argument("--report", action="store_true")
    parser.add_argument("command", nargs=argparse.REMAINDER)
    options = parser.parse_args()
    record = Record(options.store)
    if options.report:
        return 0 if record.report() else 1
    if not options.command:
        parser.error("no command")
    asking = start_asking(options.command)
    try:
        return Supervisor(record).serve(*asking)
    finally:
        record.save()


if __name__ == "__main__":
    sys.exit(main())
