/// A PCI function that a guest can only look at.
#pragma once

#include "devices/pc/pci_function.hpp"

#include <cstdint>
#include <initializer_list>
#include <map>

namespace devices {

class PciFixedFunction : public PciFunction {
  public:
    struct Register {
        std::uint8_t offset; ///< a multiple of 4
        std::uint32_t value;
    };

    /// What no register is given for reads as zero.
    PciFixedFunction(std::initializer_list<Register> registers)
    {
        for (auto const& entry : registers)
            registers_[entry.offset] = entry.value;
    }

    [[nodiscard]] std::uint32_t config_read(std::uint8_t offset, unsigned) override
    {
        auto const found = registers_.find(offset & 0xFCU);
        return found == registers_.end() ? 0 : found->second >> 8 * (offset % 4U);
    }
    void config_write(std::uint8_t, unsigned, std::uint32_t) override {}
    void visit(hv::StateVisitor&) override {}

  private:
    std::map<std::uint32_t, std::uint32_t> registers_; ///< by offset
};

} // namespace devices
