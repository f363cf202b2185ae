#pragma once

#include <stdexcept>

namespace vmm {

/// The hypervisor below refused something that Porthole cannot do without. The message is one line.
class HypervisorError : public std::runtime_error {
  public:
    using std::runtime_error::runtime_error;
};

} // namespace vmm
