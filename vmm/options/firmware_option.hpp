/// The values of --firmware and --boot, and of the keys `firmware` and `boot` in a configuration file.
#pragma once

#include "vmm/options/run_options.hpp"

#include <string_view>
#include <vector>

namespace vmm {

/// "auto", which is Debian's, or the path of a UEFI firmware: its code alone, named like OVMF_CODE_4M.fd, with the
/// template of its variables beside it, OVMF_VARS_4M.fd; or both in one file, variables first. Throws UserError with
/// one line that says what to write instead.
[[nodiscard]] FirmwareOptions parse_firmware(std::string_view option, std::string_view text);

/// "disk", "dvd" and "net" in the order in which they are tried, with commas between them. Throws UserError likewise.
[[nodiscard]] std::vector<BootDevice> parse_boot(std::string_view option, std::string_view text);

/// A guest without a kernel that has a disk, or is to boot from a network, starts by Debian's firmware; one with
/// Secure Boot from a template of variables with keys.
void choose_start(GuestOptions& guest);

/// What of a guest's options does not go together: who starts it. Throws UserError likewise.
void check_start(GuestOptions const& guest);

/// Gives disks and network cards the indices that follow from the order of `boot`, which has been checked.
void settle_boot_order(GuestOptions& guest);

} // namespace vmm
