#include "vmm/machine/tpm_device.hpp"

#include <utility>

namespace vmm {

namespace {

constexpr char const* owner = "the TPM";
constexpr MemoryRange registers{hv::Gpa{devices::tpm::crb_address}, devices::tpm::crb_size};

} // namespace

TpmDevice::TpmDevice(std::shared_ptr<devices::tpm::Backend> backend, AddressSpace& space, devices::MmioBus& mmio,
                     devices::Resources& resources)
    : claim_{space.claim(registers, {MemoryType::Mmio}, owner)}, crb_{std::move(backend)}
{
    resources.add({.owner = owner,
                   .memory = {{registers.base.value, registers.size}},
                   .described = devices::Resources::Described::AsDevice,
                   .acpi_name = "TPM0",
                   .plug_and_play_id = "MSFT0101",
                   .unique_id = 1});
    mmio.map(registers.base.value, registers.size, crb_, owner);
}

} // namespace vmm
