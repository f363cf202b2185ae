/// A file that lines of text go to while guests run: the log, the trace.
#pragma once

#include "vmm/host/output_file.hpp"
#include "vmm/log/line_writer.hpp"

#include <memory>
#include <string>

namespace vmm {

/// Opens it as open_output does. The user hears when it cannot be written any more. Throws UserError.
[[nodiscard]] std::shared_ptr<LineWriter> open_text_file(std::string const& what, std::string const& path,
                                                         Existing existing);

/// Finishes it, and tells the user if it is not whole. Whether it is, or its reader alone is why it is not.
[[nodiscard]] bool finish_text_file(LineWriter& file, std::string const& what);

} // namespace vmm
