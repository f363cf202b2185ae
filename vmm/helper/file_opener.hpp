/// What a confined Porthole opens its guests' files by.
#pragma once

#include "vmm/helper/file_server.hpp"

#include <span>

namespace vmm::helper {

/// While one exists, devices::open_host_file asks the process behind it: EPERM for what the policy does not allow,
/// EPIPE when that process has ended. One of a process.
class FileOpener {
  public:
    /// Forks the process (run_file_server), while this one has one thread. Throws std::system_error.
    FileOpener(std::span<int const> kept, PreparePolicy const& prepare);
    FileOpener(FileOpener const&) = delete;
    FileOpener& operator=(FileOpener const&) = delete;
    /// Ends the process: who still waits for it gets EPIPE.
    ~FileOpener();
};

} // namespace vmm::helper
