/// What a device on a PCI bus offers to whoever decodes configuration space.
#pragma once

#include "hv/base/state.hpp"

#include <cstdint>

namespace devices {

/// One function's configuration space. Called from vCPU threads, several at once: a function guards its own state.
class PciFunction {
  public:
    PciFunction() = default;
    PciFunction(PciFunction const&) = delete;
    PciFunction& operator=(PciFunction const&) = delete;
    virtual ~PciFunction() = default;

    /// `offset` is 0 to 255, `size` 1, 2 or 4 bytes; an access never leaves its aligned dword.
    [[nodiscard]] virtual std::uint32_t config_read(std::uint8_t offset, unsigned size) = 0;
    virtual void config_write(std::uint8_t offset, unsigned size, std::uint32_t value) = 0;
    /// What the guest has made of it. What was saved is not trusted.
    virtual void visit(hv::StateVisitor& visitor) = 0;
};

} // namespace devices
