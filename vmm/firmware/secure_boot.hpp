/// Whether a UEFI firmware's variables switch Secure Boot on.
#pragma once

#include <cstddef>
#include <span>

namespace vmm::firmware {

/// Of a chip's image, which a guest may have written: there is a platform key, and nobody has switched Secure Boot
/// off with the firmware's menu (edk2 SecurityPkg/Library/AuthVariableLib). False as well when there is no store of
/// authenticated variables.
[[nodiscard]] bool switches_on_secure_boot(std::span<std::byte const> image);

} // namespace vmm::firmware
