/// One virtual machine of the hypervisor below: its vCPUs, its memory, and the interrupt controllers of a PC.
#pragma once

#include "hv/abi/types.hpp"
#include "hv/base/interfaces.hpp"
#include "hv/time/reference_time.hpp"
#include "vmm/hypervisor/vcpu.hpp"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

namespace vmm {

/// Memory of this process that a guest sees.
struct MemoryMapping {
    hv::Gpa base;              ///< of a page
    std::span<std::byte> host; ///< whole pages, at a page's address
    bool read_only = false;    ///< a write is an MmioAccess
    bool logs_writes = false;  ///< for Vm::take_dirty_pages
};

/// Where a guest rings for a device.
struct DoorbellAddress {
    enum class Space : std::uint8_t { Port, Memory };

    Space space;
    std::uint64_t address;
    std::uint8_t size; ///< of the write: 1, 2, 4 or 8
};

/// One that rings an eventfd, without a VM exit that anybody sees. It ends with the object.
class Doorbell {
  public:
    Doorbell() = default;
    Doorbell(Doorbell const&) = delete;
    Doorbell& operator=(Doorbell const&) = delete;
    virtual ~Doorbell() = default;
};

class Vm {
  public:
    Vm() = default;
    Vm(Vm const&) = delete;
    Vm& operator=(Vm const&) = delete;
    virtual ~Vm() = default;

    /// One whose index and APIC ID none has. It lives as long as this. Throws HypervisorError.
    [[nodiscard]] virtual Vcpu& add_vcpu(unsigned index) = 0;

    /// From any thread, also while vCPUs run. Mappings do not overlap; the same again, with or without `logs_writes`,
    /// changes that alone. Throws HypervisorError; the guest's memory is as it was then.
    virtual void map(MemoryMapping const& mapping) = 0;
    /// Of the mapping that begins there, which may be gone.
    virtual void unmap(hv::Gpa base) = 0;
    /// Which pages of the mapping that begins there, and logs writes, the guest has written to since the last call or
    /// since it was mapped: a bit a page, the first lowest. Throws HypervisorError.
    [[nodiscard]] virtual std::vector<std::uint64_t> take_dirty_pages(hv::Gpa base) = 0;

    /// Sends an edge-triggered fixed interrupt to one local APIC. From any thread.
    virtual void signal_msi(std::uint32_t apic_id, std::uint8_t vector) = 0;
    /// Sends any interrupt to the local APICs that it addresses. From any thread.
    virtual void signal_msi(hv::VirtualInterrupt const& interrupt) = 0;
    /// From now on the EOI of this vector is an exit, on a machine with local APICs alone. One call at a time. Throws
    /// HypervisorError.
    virtual void watch_eois(std::uint8_t vector) = 0;
    /// What a device has written to an address, as the guest has set both: an interrupt, or nothing where no local
    /// APIC is meant. From any thread.
    virtual void write_msi(std::uint64_t address, std::uint32_t data) = 0;
    /// Drives a pin of the PIC and the I/O APIC, by its global system interrupt. From any thread.
    virtual void set_irq_line(std::uint32_t gsi, bool asserted) = 0;
    /// `event_fd` has to stay open as long as the doorbell lives. Throws HypervisorError.
    [[nodiscard]] virtual std::unique_ptr<Doorbell> add_doorbell(DoorbellAddress const& address, int event_fd) = 0;

    /// The clock that Vcpu::acceleration() is to run timers by, where it can: of the vCPUs that have come since the
    /// last call, which have their CPUID and have not yet run. Throws HypervisorError. `time` is always the same, and
    /// outlives the vCPUs' threads.
    virtual void accelerate_timers(hv::ReferenceTime const& time) = 0;
};

} // namespace vmm
