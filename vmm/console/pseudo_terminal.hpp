/// A new pseudo terminal for a guest's serial port, which a user opens with a terminal program.
#pragma once

#include "vmm/host/unique_fd.hpp"

#include <string>

namespace vmm {

/// In raw mode, without echo. The slave side is kept open, so that what the guest prints waits for a reader, and
/// readers may come and go.
class PseudoTerminal {
  public:
    /// Throws UserError.
    PseudoTerminal();

    [[nodiscard]] int master() const { return master_.get(); }
    [[nodiscard]] std::string const& path() const { return path_; } ///< of the slave, "/dev/pts/N"

  private:
    UniqueFd master_;
    UniqueFd slave_;
    std::string path_;
};

} // namespace vmm
