/// The processes that have guests' TPMs, as Porthole sees them.
#pragma once

#include "devices/tpm/swtpm.hpp"
#include "vmm/helper/child_process.hpp"
#include "vmm/options/run_options.hpp"

#include <cstddef>
#include <map>
#include <memory>
#include <span>

namespace vmm::helper {

/// Used by one thread.
class TpmServers {
  public:
    /// Forks a process for each guest that has a TPM (tpm_supervisor.hpp), while this one has one thread: it starts
    /// swtpm at once. Throws std::system_error.
    explicit TpmServers(std::span<GuestOptions const> guests);

    /// The swtpm of a guest that has one, when it has been started; the guests count from 0. Once for each. Throws
    /// std::runtime_error with one line that says what to do.
    [[nodiscard]] std::unique_ptr<devices::tpm::SwtpmProcess> take(std::size_t guest);

  private:
    std::map<std::size_t, ForkedHelper> processes_;
};

} // namespace vmm::helper
