/// The value of --smbios, and of the key `smbios` in a configuration file.
#pragma once

#include "vmm/options/run_options.hpp"

#include <string_view>

namespace vmm {

/// "NAME=TEXT,NAME=TEXT": what is named changes in `smbios`. A comma in a text is written twice. Throws UserError
/// with one line that says what to write instead.
void parse_smbios(std::string_view option, std::string_view text, SmbiosOptions& smbios);

/// One of them, its text as it is.
void set_smbios(std::string_view option, std::string_view name, std::string_view text, SmbiosOptions& smbios);

} // namespace vmm
