"""Works at a guest's serial console, for tests: a VMM whose console is its stdin and stdout, the Debian of scripts/guest-image
in it. Everything that the guest prints goes to a log as well.
"""

import os
import re
import selectors
import subprocess
import time
from contextlib import contextmanager

PROMPT = r"debian login: $"


class Failed(Exception):
    """The guest did not do what it was to do; says what, with the end of what it printed."""


class Lost(Failed):
    """The guest does not answer, so that nothing more can be done with it."""


@contextmanager
def check(name):
    """Prints "ok NAME" or "not ok NAME: COMPLAINT" for what is done in it. One that loses its guest ends the run: Lost goes on."""
    try:
        yield
    except (Failed, OSError, ValueError, subprocess.SubprocessError) as error:
        first, *rest = str(error).splitlines() or [""]
        print(f"not ok {name}: {first}", *rest, sep="\n    ", flush=True)
        if isinstance(error, Lost):
            raise
    else:
        print(f"ok {name}", flush=True)


class Guest:
    """A running VMM."""

    def __init__(self, command, log):
        self.log = open(log, "ab")  # pylint: disable=consider-using-with
        self.begin = time.monotonic()
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, bufsize=0)
        os.set_blocking(self.process.stdout.fileno(), False)
        self.selector = selectors.DefaultSelector()
        self.selector.register(self.process.stdout, selectors.EVENT_READ)
        self.text = ""  # what was printed since the last match
        self.commands = 0

    def seconds(self):
        return time.monotonic() - self.begin

    def lost(self, what):
        lines = [line.rstrip() for line in self.text.splitlines() if line.strip()]
        return Lost(what + "".join(f"\n    {line}" for line in lines[-12:]))

    def read(self, limit):
        """Waits so many seconds for output. False when there will be none any more."""
        if not self.selector.select(max(limit, 0)):
            return True
        data = self.process.stdout.read(1 << 16)
        self.log.write(data)
        self.log.flush()
        self.text += data.decode(errors="replace").replace("\r", "")
        return bool(data)

    def expect(self, pattern, limit=60):
        """Returns the match of what the guest prints within so many seconds, and forgets what came up to it."""
        end = time.monotonic() + limit
        while not (match := re.search(pattern, self.text)):
            if time.monotonic() > end:
                raise self.lost(f"waited {limit} s for '{pattern}'")
            if not self.read(end - time.monotonic()):
                raise self.lost(f"ended before '{pattern}'")
        self.text = self.text[match.end():]
        return match

    def send(self, text):
        self.process.stdin.write(text.encode())

    def login(self, limit=180):
        """From the start to a shell that neither prompts nor echoes. Returns when the prompt was seen, in seconds from the start."""
        self.expect(PROMPT, limit)
        at = self.seconds()
        self.send("root\n")
        self.expect(r"debian:~# ")
        # What is awaited is not what is typed, which is echoed.
        self.send("dmesg --console-level 1; exec env PS1= PS2= sh\nstty -echo; echo qui''et\n")
        self.expect(r"quiet\n")
        return at

    def run(self, command, limit=60):
        """Runs a command there. Returns its output; raises Failed unless its status is 0."""
        status, output = self.attempt(command, limit)
        if status:
            raise Failed(f"in the guest '{command}' ended with status {status}: {output[-800:].strip()}")
        return output

    def attempt(self, command, limit=60):
        """Runs a command there. Returns its status and its output."""
        self.start(command)
        return self.finish(limit)

    def start(self, command):
        """Lets the guest begin with a command; finish() is to follow."""
        self.commands += 1
        self.send(f"( {command}\n) < /dev/null 2>&1; echo \"[{self.commands} ended: $?]\"\n")

    def finish(self, limit=60):
        before = r"(?s)(.*)\[" + str(self.commands) + r" ended: (\d+)\]\n"
        match = self.expect(before, limit)
        return int(match[2]), match[1]

    def wait(self, limit=60):
        """Waits for the VMM's end. Returns its status."""
        end = time.monotonic() + limit
        while self.read(end - time.monotonic()):
            if time.monotonic() > end:
                raise self.lost(f"did not end within {limit} s")
        return self.process.wait(max(end - time.monotonic(), 1))

    def expect_off(self):
        """Waits for the VMM's end, which is to be that of a guest that has powered off."""
        if status := self.wait():
            raise Failed(f"did not power off: ended with status {status}")

    def kill(self):
        """Ends the VMM as a power failure would."""
        self.process.kill()
        self.process.wait()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.kill()
        self.process.stdin.close()
        self.process.stdout.close()
        self.log.close()
