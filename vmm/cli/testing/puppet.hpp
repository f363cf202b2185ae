/// guest-tests/puppet as a guest of the real executable: it does what its command line says.
#pragma once

#include <string>

namespace vmm::testing {

/// Its path.
[[nodiscard]] std::string puppet();

/// False, with a warning, without /dev/kvm or the guest programs: then there is nothing to see.
[[nodiscard]] bool can_run();

/// Its entry in a configuration file.
[[nodiscard]] std::string guest(std::string const& name, std::string const& cmdline, std::string const& more = {});

[[nodiscard]] bool has_line(std::string const& text, std::string const& line);

} // namespace vmm::testing
