/// What the calls about children that a partition makes ask of the world. The VMM makes them machines over the
/// parent's memory; unit tests hand in a recorder.
#pragma once

#include "hv/abi/types.hpp"
#include "hv/base/guest_memory.hpp"
#include "hv/base/interfaces.hpp"
#include "hv/child/cpuid_results.hpp"
#include "hv/child/gpa_map.hpp"
#include "hv/child/intercept.hpp"
#include "hv/child/local_apic_state.hpp"
#include "hv/cpuid/privileges.hpp"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

namespace hv {

class ChildHost;
class ReferenceTime;
class VirtualProcessor;

/// How many children a partition may have at once, how many VPs these may have together, and how many runs of pages
/// the map of each may consist of.
struct ChildLimits {
    unsigned partitions = 0;
    unsigned vps = 0;
    std::size_t runs = 16'384;           ///< of a child's map
    std::uint64_t pages = GpaMap::pages; ///< of it, that the child may touch: hosts keep tables of them
};

/// What becomes of an access to an MSR that there is not.
enum class MsrAnswer : std::uint8_t {
    Fault,  ///< #GP
    Ignore, ///< reads are zero, writes go nowhere
    Intercept,
};

/// Who runs a child's VP on behalf of its parent. All calls but `suspended` come from the VP's own thread.
class VpSupervisor {
  public:
    VpSupervisor() = default;
    VpSupervisor(VpSupervisor const&) = delete;
    VpSupervisor& operator=(VpSupervisor const&) = delete;
    virtual ~VpSupervisor() = default;

    /// The VP is to execute nothing, but to go on serving requests.
    [[nodiscard]] virtual bool suspended() const = 0;
    /// Whether the parent answers this access itself. `size` in bytes.
    [[nodiscard]] virtual bool intercepts_port(std::uint16_t port, std::uint8_t size, bool is_write) const = 0;
    /// A write to memory that is not there: true when it has rung for the parent, and the VP is to go on.
    [[nodiscard]] virtual bool rang(Gpa gpa, std::span<std::byte const> data) = 0;
    [[nodiscard]] virtual MsrAnswer msr_answer(std::uint32_t index, bool is_write) const = 0;
    /// The VP has ended a level-triggered interrupt. It goes on.
    virtual void ended(std::uint8_t vector) = 0;
    /// Tells the parent. The VP is suspended then.
    virtual void intercepted(Intercept const& intercept) = 0;
};

/// The processor of one of a child's VPs. Its end waits for its thread.
class ChildProcessor {
  public:
    ChildProcessor() = default;
    ChildProcessor(ChildProcessor const&) = delete;
    ChildProcessor& operator=(ChildProcessor const&) = delete;
    virtual ~ChildProcessor() = default;

    [[nodiscard]] virtual VpControl& control() = 0;
    /// CPUID as its machine has it. On the VP's own thread, as the next. Throws std::bad_alloc.
    [[nodiscard]] virtual std::vector<CpuidEntry> cpuid() const = 0;
    /// In its place. False, and nothing has changed, when there are too many, or the VP has run and the host changes
    /// nothing then.
    [[nodiscard]] virtual bool set_cpuid(std::span<CpuidEntry const> entries) = 0;

    // State that has no registers. On the VP's own thread; false when it cannot be had, or is refused.

    [[nodiscard]] virtual bool read_apic(LocalApicPage& page) const = 0;
    [[nodiscard]] virtual bool write_apic(LocalApicPage const& page) = 0;
    /// The area of XSAVE in its standard form, as if all were in use that can be: most_xsave_bytes.
    [[nodiscard]] virtual bool read_xsave(std::span<std::byte> area) const = 0;
    [[nodiscard]] virtual bool write_xsave(std::span<std::byte const> area) = 0;

    /// Its thread begins, and runs the VP whenever that is not suspended. Both outlive `end`.
    virtual void begin(VirtualProcessor& vp, VpSupervisor& supervisor) = 0;
    /// Returns when the thread has ended. From any other thread, more than once.
    virtual void end() = 0;
};

/// The machine of one child. What it hands out lives as long as it does.
class ChildMachine {
  public:
    ChildMachine() = default;
    ChildMachine(ChildMachine const&) = delete;
    ChildMachine& operator=(ChildMachine const&) = delete;
    virtual ~ChildMachine() = default;

    [[nodiscard]] virtual GuestMemory const& memory() const = 0;
    /// What CPUID says of every processor. From any thread.
    [[nodiscard]] virtual std::span<CpuidEntry const> leaves() const = 0;
    [[nodiscard]] virtual Clock const& clock() const = 0;
    [[nodiscard]] virtual InterruptSink& interrupts() = 0;
    [[nodiscard]] virtual MachineControl& control() = 0;
    /// What makes children of the child; nullptr when it has none.
    [[nodiscard]] virtual ChildHost* children() = 0;

    /// A processor as after a reset, of a VP that has none; CPUID says that it has these rights. `time` is the
    /// partition's. nullptr when the host has no room for one. From any VP's thread of the parent, with no lock of
    /// the model held; likewise the next.
    [[nodiscard]] virtual std::unique_ptr<ChildProcessor> add_processor(VpIndex index, Rights const& rights,
                                                                        ReferenceTime const& time) = 0;
    /// Puts a change of its map into effect: all of it, or false and nothing when the host refuses. One call at a
    /// time.
    [[nodiscard]] virtual bool change_memory(GpaChange const& change) = 0;
    /// Tells abi::page_access of the child's pages from `first` on, and changes it by these of abi::access_flag. From
    /// the first time on, it is looked at what the child writes to. False, and nothing changed, when the host
    /// refuses.
    [[nodiscard]] virtual bool access_states(std::uint64_t first, std::uint64_t flags,
                                             std::span<std::uint8_t> states) = 0;
};

/// What makes children of one partition. From any VP's thread of it, with no lock of the model held.
class ChildHost {
  public:
    ChildHost() = default;
    ChildHost(ChildHost const&) = delete;
    ChildHost& operator=(ChildHost const&) = delete;
    virtual ~ChildHost() = default;

    [[nodiscard]] virtual ChildLimits limits() const = 0;
    /// With local APICs, or without; those have no interrupts but the external one. nullptr when the host has no room
    /// for one. It may outlive this object, without processors.
    [[nodiscard]] virtual std::unique_ptr<ChildMachine> create(bool local_apics) = 0;

    /// Takes pages of RAM, by their numbers, from the parent: it reaches them no more, nor does anybody who looks
    /// them up in its memory. All of them, or false and none, when the host can split the parent's memory no further.
    [[nodiscard]] virtual bool hide(std::span<std::uint64_t const> pages) = 0;
    /// Gives back what was taken, filled with zeros.
    virtual void show(std::span<std::uint64_t const> pages) = 0;
};

} // namespace hv
