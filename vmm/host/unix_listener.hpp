/// A UNIX socket that others connect to, at a path.
#pragma once

#include "vmm/host/unique_fd.hpp"

#include <string>
#include <sys/types.h>

namespace vmm {

/// Makes the socket, for its owner alone (mode 0600), and removes it at its end if it is still there. A socket that
/// an ended process has left at the path is replaced; one that somebody listens on, or anything else, is not.
class UnixListener {
  public:
    /// `option` is what the user named the path with. Throws UserError.
    UnixListener(std::string const& option, std::string path);
    UnixListener(UnixListener const&) = delete;
    UnixListener& operator=(UnixListener const&) = delete;
    ~UnixListener();

    /// It listens and does not block.
    [[nodiscard]] int fd() const { return fd_.get(); }

  private:
    std::string const path_;
    UniqueFd fd_;
    dev_t device_ = 0; // which file it is
    ino_t inode_ = 0;
};

/// Connects to one, waiting. -1 and errno when that fails; a path that is too long is ENAMETOOLONG.
[[nodiscard]] UniqueFd connect_unix(std::string const& path);

} // namespace vmm
