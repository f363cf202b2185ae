/// A guest's UEFI firmware: its code, its variables, and where a machine has them.
#pragma once

#include "vmm/base/memory_layout.hpp"
#include "vmm/firmware/page_buffer.hpp"
#include "vmm/firmware/variables.hpp"
#include "vmm/options/run_options.hpp"

#include <cstddef>
#include <memory>
#include <span>

namespace vmm::firmware {

/// Outlives the machines that it starts: variables stay when the guest is reset, and no file is read again.
class Firmware {
  public:
    /// Reads the files that the options name. Throws UserError.
    explicit Firmware(GuestOptions const& options);

    [[nodiscard]] std::span<std::byte> code() const { return code_->bytes(); }
    [[nodiscard]] Variables& variables() const { return *variables_; }

    /// Both end where the lowest 4 GiB do, the code at the end: that is where a processor starts.
    [[nodiscard]] MemoryRange code_range() const;
    [[nodiscard]] MemoryRange variables_range() const;

  private:
    std::unique_ptr<PageBuffer> code_;
    std::unique_ptr<Variables> variables_;
};

} // namespace vmm::firmware
