/// How a UEFI firmware's files begin: the header of a firmware volume, and that of a store of variables.
#pragma once

#include <cstddef>
#include <optional>
#include <span>

namespace vmm::firmware {

/// What is read of a volume's header (UEFI PI 1.8 vol. 3 §3.2.1), when its signature and its checksum are right.
struct Volume {
    std::size_t size;        ///< bytes, of all of it
    std::size_t header_size; ///< bytes
    bool holds_variables;    ///< by its file system's GUID
};

[[nodiscard]] std::optional<Volume> read_volume(std::span<std::byte const> bytes);

/// Of a volume that holds variables, behind its header (edk2 MdeModulePkg/Include/Guid/VariableFormat.h).
inline constexpr std::size_t store_header_size = 28;
/// The GUID of its format, and its size: what one store has in common with another one of the same firmware.
inline constexpr std::size_t store_identity_size = 20;

/// Whether a store's header says that it is formatted and healthy.
[[nodiscard]] bool is_healthy_store(std::span<std::byte const> header);

} // namespace vmm::firmware
