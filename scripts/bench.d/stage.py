"""A root folder in memory with everything that the measured programs read. The lab's other files come from the host, and
waiting for the host takes a time that depends on the host.
"""

import os
import re
import shutil
import subprocess

from runner import Failed


CHUNK = 1 << 16


def copy_sparse(source, target):
    """Copies a file, and leaves holes where it has nothing but zeros."""
    with open(source, "rb", buffering=0) as reader, open(target, "wb", buffering=0) as writer:
        while chunk := reader.read(CHUNK):
            if chunk.count(0) == len(chunk):
                writer.seek(len(chunk), os.SEEK_CUR)
            else:
                writer.write(chunk)
        writer.truncate()


class Stage:
    def __init__(self, root):
        self.root = root
        for folder in ("dev", "proc", "sys", "tmp", "etc", "root"):
            os.makedirs(f"{root}/{folder}")
        self.add("/etc/ld.so.cache")

    def add(self, path, to=None):
        """Puts a file or a folder in there, at the path that it has outside unless told otherwise."""
        target = self.root + (to or path)
        if os.path.isdir(path):
            shutil.copytree(path, target, dirs_exist_ok=True, ignore_dangling_symlinks=True)
        elif not os.path.exists(target):
            os.makedirs(os.path.dirname(target), exist_ok=True)
            copy_sparse(path, target)
            shutil.copymode(path, target)

    def add_program(self, path, to=None):
        """Puts a program there with the libraries that it loads."""
        self.add(path, to)
        libraries = subprocess.run(["ldd", path], capture_output=True, text=True, check=True).stdout
        for library in re.findall(r"(/\S+) \(0x", libraries):
            self.add(library)

    def add_library(self, name):
        """Puts a library there that a program loads by itself, with those that it needs."""
        known = subprocess.run(["/sbin/ldconfig", "--print-cache"], capture_output=True, text=True, check=True).stdout
        found = re.search(rf"^\s{re.escape(name)} \(libc6,x86-64.*\) => (\S+)$", known, re.MULTILINE)
        if not found:
            raise Failed(f"this machine has no {name}: get it with scripts/setup")
        self.add_program(found[1])

    def read_through(self, path):
        with open(self.root + path, "rb", buffering=0) as file:
            while file.read(CHUNK):
                pass

    def enter(self):
        """Makes it the root of this process and those that it starts from now on."""
        for folder in ("dev", "proc", "sys"):
            subprocess.run(["mount", "--bind", f"/{folder}", f"{self.root}/{folder}"], check=True)
        subprocess.run(["mount", "-t", "tracefs", "tracefs", f"{self.root}/sys/kernel/tracing"], check=True)
        os.chroot(self.root)
        os.chdir("/")
