/// The flash chip's bytes with a firmware's variables, and the file that keeps them.
#pragma once

#include "devices/base/unique_fd.hpp"
#include "devices/firmware/flash.hpp"
#include "vmm/base/log.hpp"
#include "vmm/firmware/page_buffer.hpp"

#include <cstddef>
#include <span>
#include <string>
#include <vector>

namespace vmm::firmware {

/// The file is the chip's image, as QEMU has it. At every moment it is an image from which the firmware recovers, so
/// that Porthole may be killed, or the host lose its power, at any of them:
/// - A firmware's driver for fault-tolerant writes (edk2 MdeModulePkg/Universal/FaultTolerantWriteDxe) recovers from
///   a loss of power between any two changes. The file has them in their order, each at once: O_DSYNC.
/// - One write is to one block, which is a page of the file: it is there or not.
/// - OVMF formats a chip anew whose volume has no header, and has none itself while it rewrites the first block.
///   The file gets nothing then, and afterwards all that has changed. What it has in between is the state of before,
///   or some blocks of each; the driver's copy of the new ones, which the file has, is what it then recovers from.
class Variables final : public devices::firmware::FlashContent {
  public:
    /// As in `original`, a whole image; they end with this object.
    explicit Variables(std::span<std::byte const> original);
    /// As in the file, which is made of `original` when there is none. Throws UserError when it is not one of this
    /// firmware's, cannot be written, or is another guest's.
    Variables(std::span<std::byte const> original, std::string const& path);

    [[nodiscard]] std::span<std::byte> bytes() const override { return memory_.bytes(); }
    void keep(std::size_t offset, std::size_t size) noexcept override;

  private:
    [[nodiscard]] bool has_header() const;
    void write(std::size_t offset, std::size_t size) noexcept;

    PageBuffer memory_;
    std::vector<std::byte> header_; ///< what each image of this firmware begins with
    devices::UniqueFd file_;        ///< or none
    std::string path_;
    std::vector<bool> changed_; ///< blocks that the file has not got yet
    RateLimit failures_logged_;
};

} // namespace vmm::firmware
