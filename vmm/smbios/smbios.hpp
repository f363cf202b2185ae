/// The SMBIOS tables of a guest (DMTF DSP0134 3.7): who made the machine, its serial number and UUID, its processors
/// and its memory.
#pragma once

#include "hv/base/guest_memory.hpp"
#include "hv/cpuid/processor_facts.hpp"
#include "vmm/base/memory_layout.hpp"
#include "vmm/options/run_options.hpp"

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace vmm::smbios {

/// What the guest's processors say of themselves.
struct ProcessorText {
    std::string vendor{};
    std::string name{};
    std::uint32_t eax = 0; ///< of CPUID leaf 1
    std::uint32_t edx = 0;
};

[[nodiscard]] ProcessorText describe_processor(hv::CpuidLookup const& lookup);

struct Config {
    SmbiosOptions const& named;
    MemoryLayout const& layout;
    ProcessorText processor{};
    unsigned cpus = 1;
    CpuTopology topology{}; ///< of these
    /// A structure for the firmware itself. A UEFI firmware adds its own.
    bool names_bios = false;
};

/// The structures, the end of which is one too.
[[nodiscard]] std::vector<std::byte> tables(Config const& config);

/// The entry point, SMBIOS 3.0's, for that many bytes of structures there.
[[nodiscard]] std::vector<std::byte> entry_point(std::size_t size, hv::Gpa tables);

/// Writes both into layout::smbios, where whoever has no UEFI firmware looks for them (§5.2).
void build(hv::GuestMemory const& memory, Config const& config);

} // namespace vmm::smbios
