#include "devices/block/ring_setup.hpp"

#include <array>
#include <cerrno>
#include <cstddef>
#include <sys/syscall.h>
#include <unistd.h>

namespace devices::block {

namespace {

io_uring_restriction operation(io_uring_op which)
{
    io_uring_restriction allowed{};
    allowed.opcode = IORING_RESTRICTION_SQE_OP;
    allowed.sqe_op = static_cast<__u8>(which);
    return allowed;
}

io_uring_restriction flags(unsigned which)
{
    io_uring_restriction allowed{};
    allowed.opcode = IORING_RESTRICTION_SQE_FLAGS_ALLOWED;
    allowed.sqe_flags = static_cast<__u8>(which);
    return allowed;
}

/// 0, or -errno. The library has functions for what is registered here, but the one of Debian 12 does not export
/// them.
int register_with(io_uring const& ring, unsigned what, void const* items, std::size_t count)
{
    return ::syscall(SYS_io_uring_register, ring.ring_fd, what, items, static_cast<unsigned>(count)) < 0 ? -errno : 0;
}

/// What IoRing and FileBackend use; no registrations.
int restrict_ring(io_uring& ring)
{
    std::array allowed{
        operation(IORING_OP_POLL_ADD),  // of the ring's own event
        operation(IORING_OP_STATX),     // whether a file is as large as it was
        operation(IORING_OP_READV),     //
        operation(IORING_OP_WRITEV),    //
        operation(IORING_OP_WRITE),     // zeros
        operation(IORING_OP_FALLOCATE), //
        operation(IORING_OP_FSYNC),     //
        flags(IOSQE_ASYNC),
    };
    return register_with(ring, IORING_REGISTER_RESTRICTIONS, allowed.data(), allowed.size());
}

int set_up_restricted(io_uring& ring, unsigned entries)
{
    if (int const failed = io_uring_queue_init(entries, &ring, IORING_SETUP_R_DISABLED); failed < 0) return failed;
    int failed = restrict_ring(ring);
    if (failed == 0) failed = register_with(ring, IORING_REGISTER_ENABLE_RINGS, nullptr, 0);
    if (failed < 0) io_uring_queue_exit(&ring);
    return failed;
}

} // namespace

int set_up_ring(io_uring& ring, unsigned entries)
{
    int const result = set_up_restricted(ring, entries);
    if (result != -EINVAL) return result; // EINVAL: the kernel does not know the flag
    ring = {};
    return io_uring_queue_init(entries, &ring, 0);
}

bool can_restrict_rings()
{
    io_uring ring{};
    if (set_up_restricted(ring, 1) < 0) return false;
    io_uring_queue_exit(&ring);
    return true;
}

} // namespace devices::block
