/* usage: vsock serve PORT COMMAND [ARGUMENT...]    runs COMMAND for each connection, which is its input and output
 *        vsock connect PORT                        sends its input to a port of the host, writes what comes back, until
 *                                                  both have ended
 *
 * For Linux guests of the lab, which have nothing else that speaks AF_VSOCK. Linked statically. */
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <linux/vm_sockets.h>

static void die(char const* what)
{
    perror(what);
    exit(1);
}

static struct sockaddr_vm address(unsigned cid, char const* port)
{
    struct sockaddr_vm out;
    memset(&out, 0, sizeof out);
    out.svm_family = AF_VSOCK;
    out.svm_cid = cid;
    out.svm_port = (unsigned)strtoul(port, NULL, 10);
    return out;
}

static void serve(char const* port, char** command)
{
    struct sockaddr_vm const here = address(VMADDR_CID_ANY, port);
    int const listener = socket(AF_VSOCK, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (listener < 0) die("socket");
    if (bind(listener, (struct sockaddr const*)&here, sizeof here) != 0) die("bind");
    if (listen(listener, 64) != 0) die("listen");
    fprintf(stderr, "== listening on port %s\n", port);
    signal(SIGCHLD, SIG_IGN);
    for (;;) {
        int const connection = accept(listener, NULL, NULL);
        if (connection < 0) die("accept");
        if (fork() == 0) {
            dup2(connection, 0);
            dup2(connection, 1);
            close(connection);
            execvp(command[0], command);
            die(command[0]);
        }
        close(connection);
    }
}

static void write_all(int fd, char const* bytes, size_t size)
{
    while (size > 0) {
        ssize_t const count = write(fd, bytes, size);
        if (count <= 0) die("write");
        bytes += count;
        size -= (size_t)count;
    }
}

/* Whether more may come. */
static int copy(int from, int to)
{
    static char bytes[65536];
    ssize_t const count = read(from, bytes, sizeof bytes);
    if (count < 0) die("read");
    write_all(to, bytes, (size_t)count);
    return count > 0;
}

static void connect_to(char const* port)
{
    struct sockaddr_vm const there = address(VMADDR_CID_HOST, port);
    int const connection = socket(AF_VSOCK, SOCK_STREAM, 0);
    struct pollfd ends[2] = {{0, POLLIN, 0}, {connection, POLLIN, 0}};
    if (connection < 0) die("socket");
    if (connect(connection, (struct sockaddr const*)&there, sizeof there) != 0) die("connect");
    /* Each direction ends by itself: the host may say its last while there is input to send. */
    while (ends[0].fd >= 0 || ends[1].fd >= 0) {
        if (poll(ends, 2, -1) < 0) die("poll");
        if (ends[0].revents != 0 && !copy(0, connection)) {
            ends[0].fd = -1;
            shutdown(connection, SHUT_WR);
        }
        if (ends[1].revents != 0 && !copy(connection, 1)) ends[1].fd = -1;
    }
}

int main(int argc, char** argv)
{
    if (argc >= 4 && strcmp(argv[1], "serve") == 0) {
        serve(argv[2], argv + 3);
    } else if (argc == 3 && strcmp(argv[1], "connect") == 0) {
        connect_to(argv[2]);
    } else {
        fprintf(stderr, "usage: vsock serve PORT COMMAND [ARGUMENT...] | vsock connect PORT\n");
        return 2;
    }
    return 0;
}
