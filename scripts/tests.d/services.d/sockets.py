"""AF_VSOCK, to the guest and from it."""
import hashlib
import socket
import threading

from guest import exchange, expect, patience, read_all


def pattern(size):
    return hashlib.shake_128(b"vsock").digest(size)


def vsock_to_guest(guest):
    data = pattern(3_000_000)
    with guest.connect(5001) as client:
        echo = exchange(client, data)
    expect(echo == data, f"of {len(data)} bytes, {len(echo)} come back, or others")


def vsock_to_host(guest):
    data = pattern(1_000_000)
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(f"{guest.vsock}_6000")
        server.listen()
        server.settimeout(patience)

        def serve():
            connection, _ = server.accept()
            with connection:
                heard.append(exchange(connection, data))

        heard = []
        thread = threading.Thread(target=serve)
        thread.start()
        said = guest.shell("seq 100000 | vsock connect 6000 | sha256sum")
        thread.join()
    expect(said.split()[0] == hashlib.sha256(data).hexdigest(), "what comes to the guest is not what was sent")
    expect(heard[0] == b"".join(b"%d\n" % n for n in range(1, 100_001)), "what the guest sends is not what comes")
    expect("status 1" in guest.shell("vsock connect 6001 < /dev/null; echo status $?"),
           "a connection to a port where nobody listens succeeds")


def vsock_many(guest):
    clients = [guest.connect(5001) for _ in range(50)]
    for number, client in enumerate(clients):
        client.sendall(b"%d" % number)
        client.shutdown(socket.SHUT_WR)
    for number, client in enumerate(clients):
        expect(read_all(client) == b"%d" % number, "connections mix up what they carry")
        client.close()
    for _ in range(100):
        expect(guest.shell("echo again") == "again\n", "connections wear out")
