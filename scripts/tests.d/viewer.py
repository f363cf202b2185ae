"""What tests see of a guest's screen: by VNC (RFC 6143), as far as they need it, or by Porthole's control socket."""

import base64
import json
import socket
import struct


def screenshot(control):
    """What the screen shows, by the control socket at that path: width, height, and three bytes a pixel. Nothing is written to a file,
    which takes long to read where all is emulated."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(120)
        connection.connect(control)
        connection.sendall(b'{"execute": "screenshot"}\n')
        answer = b""
        while not answer.endswith(b"\n"):
            some = connection.recv(1 << 20)
            if not some:
                raise ValueError("no answer to screenshot")
            answer += some
    picture = json.loads(answer)["return"]
    return picture["width"], picture["height"], base64.b64decode(picture["rgb"])


class Viewer:
    """The screen as the server has shown it, over a UNIX socket and as it is: four bytes a pixel, blue first."""

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
