/// Where Porthole's own log goes.
#pragma once

#include "vmm/log/line_writer.hpp"

#include <memory>
#include <string>

namespace vmm {

/// Sends the log to standard error, or to `file` when it is not empty. `level` is one of spdlog's names. Logging
/// never waits: see LineWriter. The file's writer, or nullptr. Throws UserError.
[[nodiscard]] std::shared_ptr<LineWriter> open_log(std::string const& level, std::string const& file);

} // namespace vmm
