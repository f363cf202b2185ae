/// Descriptors that other programs share: how to use one without getting in their way.
#pragma once

#include "vmm/host/unique_fd.hpp"

namespace vmm {

/// Whether `fd` is open, and for `access`: O_RDONLY or O_WRONLY.
[[nodiscard]] bool is_open_for(int fd, int access);

/// A descriptor for non-blocking use. A terminal or a pipe is opened anew, because O_NONBLOCK belongs to what is open
/// and not to the descriptor: set on our standard input, it would show up in the user's shell. Where that cannot be
/// done, and for sockets, it is shared, and the flags are put back at the end.
class ConsoleDescriptor {
  public:
    /// Takes a copy of `fd`, which stays open. Throws std::system_error.
    [[nodiscard]] static ConsoleDescriptor copy_of(int fd);

    ConsoleDescriptor(ConsoleDescriptor&&) = default;
    ConsoleDescriptor& operator=(ConsoleDescriptor&&) = delete;
    ~ConsoleDescriptor();

    [[nodiscard]] int get() const { return fd_.get(); }

    /// Whether it can be awaited. Regular files and the like cannot, and are always ready. What can is non-blocking.
    [[nodiscard]] bool is_pollable() const { return pollable_; }

    /// Whether its other end is a reader that may go: it is a pipe, a FIFO or a socket.
    [[nodiscard]] bool has_reader() const;
    /// Whether that has gone for good.
    [[nodiscard]] bool is_hung_up() const;

  private:
    ConsoleDescriptor(UniqueFd fd, bool pollable, int flags_to_restore)
        : fd_{std::move(fd)}, pollable_{pollable}, flags_to_restore_{flags_to_restore}
    {}

    UniqueFd fd_;
    bool pollable_;
    int flags_to_restore_; // -1: nobody else sees ours
};

} // namespace vmm
