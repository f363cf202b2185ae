"""A viewer of VNC (RFC 6143), as far as tests need one: pictures as they are, over a UNIX socket."""

import socket
import struct


class Viewer:
    """The screen as the server has shown it, four bytes a pixel, blue first."""

    def __init__(self, path, patience=120):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(patience)
        self.socket.connect(path)
        if self.take(12) != b"RFB 003.008\n":
            raise ValueError("no VNC server")
        self.socket.sendall(b"RFB 003.008\n")
        if 1 not in self.take(self.take(1)[0]):
            raise ValueError("the server wants a password")
        self.socket.sendall(b"\x01")
        if self.take(4) != bytes(4):
            raise ValueError("the server lets nobody in")
        self.socket.sendall(b"\x01")
        self.width, self.height = struct.unpack(">HH", self.take(4))
        self.take(16)
        self.take(struct.unpack(">I", self.take(4))[0])
        self.pixels = bytearray(4 * self.width * self.height)
        # Raw alone, and the pixels as Linux has them.
        self.socket.sendall(struct.pack(">BxxxBBBBHHHBBBxxx", 0, 32, 24, 0, 1, 255, 255, 255, 16, 8, 0))
        self.socket.sendall(struct.pack(">BxHi", 2, 1, 0))

    def take(self, size):
        data = bytearray()
        while len(data) < size:
            some = self.socket.recv(size - len(data))
            if not some:
                raise ValueError("the server has gone")
            data += some
        return bytes(data)

    def update(self, incremental):
        """Asks for an update and waits for it. Its rectangles: x, y, width, height."""
        self.socket.sendall(struct.pack(">BBHHHH", 3, incremental, 0, 0, self.width, self.height))
        kind, count = struct.unpack(">BxH", self.take(4))
        if kind != 0:
            raise ValueError(f"the server sends a message of type {kind}")
        rectangles = []
        for _ in range(count):
            left, top, width, height, encoding = struct.unpack(">HHHHi", self.take(12))
            if encoding != 0:
                raise ValueError(f"the server sends encoding {encoding}")
            data = self.take(4 * width * height)
            for row in range(height):
                at = 4 * ((top + row) * self.width + left)
                self.pixels[at:at + 4 * width] = data[4 * width * row:4 * width * (row + 1)]
            rectangles.append((left, top, width, height))
        return rectangles
