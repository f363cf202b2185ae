/// A machine's TPM: where its guest has the registers.
#pragma once

#include "devices/pc/mmio_bus.hpp"
#include "devices/pc/resources.hpp"
#include "devices/tpm/crb.hpp"
#include "hv/base/inspect.hpp"
#include "hv/base/state.hpp"
#include "vmm/memory/address_space.hpp"

#include <cstdint>
#include <memory>

namespace vmm {

class TpmDevice {
  public:
    /// Resets the TPM. All but the first outlive it. Claims its addresses; throws like AddressSpace::claim and
    /// Resources::add.
    TpmDevice(std::shared_ptr<devices::tpm::Backend> backend, AddressSpace& space, devices::MmioBus& mmio,
              devices::Resources& resources);

    /// What ACPI calls the beginning of the registers that commands are started by.
    static constexpr std::uint64_t control_area = devices::tpm::crb_address + devices::tpm::crb::control_request;

    void quiesce() { crb_.quiesce(); }
    void resume() { crb_.resume(); }
    void visit(hv::StateVisitor& visitor) { crb_.visit(visitor); }
    void inspect(hv::Inspector& inspector) const { crb_.inspect(inspector); }

  private:
    AddressSpace::Claim claim_;
    devices::tpm::Crb crb_;
};

} // namespace vmm
