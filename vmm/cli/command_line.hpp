/// The command line: what was asked for, with one line of complaint when it makes no sense.
#pragma once

#include "vmm/cli/ctl_command.hpp"
#include "vmm/options/run_options.hpp"

#include <span>
#include <string>
#include <string_view>
#include <variant>

namespace vmm {

/// `porthole doctor`.
struct DoctorRequest {};

/// --help and --version: text for standard output, then exit with 0.
struct PrintRequest {
    std::string text; ///< ends with a newline
};

using Command = std::variant<RunOptions, CtlRequest, DoctorRequest, PrintRequest>;

/// `arguments` are without the program's name. Throws UserError on a usage error.
[[nodiscard]] Command parse_command_line(std::span<char const* const> arguments, KnownNames const& known);

} // namespace vmm
