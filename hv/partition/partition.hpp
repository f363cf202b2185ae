/// A partition: its rights, its VPs, its ports and connections, and the registers that all its VPs share.
#pragma once

#include "hv/abi/registers.hpp"
#include "hv/abi/types.hpp"
#include "hv/base/guest_memory.hpp"
#include "hv/base/interfaces.hpp"
#include "hv/base/overlay_page.hpp"
#include "hv/base/sync.hpp"
#include "hv/base/trace.hpp"
#include "hv/cpuid/privileges.hpp"
#include "hv/cpuid/processor_facts.hpp"
#include "hv/monitor/partition_monitors.hpp"
#include "hv/port/id_table.hpp"
#include "hv/port/memory_pool.hpp"
#include "hv/time/reference_time.hpp"
#include "hv/vp/hypercall_page.hpp"

#include <atomic>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

namespace hv {

class PartitionRegistry;
class VirtualProcessor;

/// What a partition is made from. The referenced objects outlive it.
struct PartitionConfig {
    PartitionId parent{};
    Rights rights;
    std::uint64_t pool_bytes = std::uint64_t{64} << 20;
    GuestMemory const& memory;
    Clock const& clock;
    InterruptSink& interrupts;
    MachineControl& machine;
    Tracer* tracer = nullptr;
    ProcessorFacts processor{};
    std::uint32_t max_vps = 0; ///< as leaf 0x40000005 says
    KernelCalls kernel_calls{};
};

class Partition {
  public:
    Partition(PartitionRegistry& registry, PartitionId id, PartitionConfig const& config);
    Partition(Partition const&) = delete;
    Partition& operator=(Partition const&) = delete;
    ~Partition();

    [[nodiscard]] PartitionId id() const { return id_; }
    /// Changes when the parent goes: the registry then makes the root the parent. From any thread.
    [[nodiscard]] PartitionId parent() const { return parent_.load(std::memory_order_relaxed); }
    [[nodiscard]] Rights const& rights() const { return rights_; }
    [[nodiscard]] PartitionRegistry& registry() const { return registry_; }
    [[nodiscard]] GuestMemory const& memory() const { return memory_; }
    [[nodiscard]] ReferenceTime const& time() const { return time_; }
    [[nodiscard]] InterruptSink& interrupts() const { return interrupts_; }
    [[nodiscard]] MachineControl& machine() const { return machine_; }
    [[nodiscard]] Tracer* tracer() const { return tracer_; }
    [[nodiscard]] ProcessorFacts const& processor() const { return processor_; }
    [[nodiscard]] std::uint32_t max_vps() const { return max_vps_; }

    /// Only an active partition can be acted upon (TLFS 2.0a §5.2.5).
    [[nodiscard]] bool active() const { return active_.load(); }
    void set_active(bool active) { active_.store(active); }

    /// VPs are added in the order of their indices while the partition is built.
    VirtualProcessor& add_vp(VpControl& control);
    [[nodiscard]] std::span<std::unique_ptr<VirtualProcessor> const> vps() const { return vps_; }
    /// nullptr when there is no such VP.
    [[nodiscard]] VirtualProcessor* vp(VpIndex index) const
    {
        return index.value < vps_.size() ? vps_[index.value].get() : nullptr;
    }

    // Partition-wide registers. Setters answer false for a value that must raise #GP.
    [[nodiscard]] std::uint64_t guest_os_id() const { return guest_os_id_.load(std::memory_order_relaxed); }
    [[nodiscard]] std::uint64_t hypercall_msr() const { return hypercall_.load(std::memory_order_relaxed); }
    [[nodiscard]] std::uint64_t reference_tsc() const { return reference_tsc_.load(std::memory_order_relaxed); }
    [[nodiscard]] std::uint64_t tsc_invariant_control() const
    {
        return tsc_invariant_.load(std::memory_order_relaxed);
    }
    [[nodiscard]] std::uint64_t crash_parameter(std::size_t n) const
    {
        return crash_[n].load(std::memory_order_relaxed);
    }
    void set_guest_os_id(std::uint64_t value);
    [[nodiscard]] bool set_hypercall_msr(std::uint64_t value);
    void set_reference_tsc(std::uint64_t value, VpControl& by);
    [[nodiscard]] bool set_tsc_invariant_control(std::uint64_t value, VpControl& by);
    void set_crash_parameter(std::size_t n, std::uint64_t v) { crash_[n].store(v, std::memory_order_relaxed); }
    void crash(std::uint64_t control) const;

    /// The hypercall page leads some calls to the kernel below.
    [[nodiscard]] bool kernel_answers() const { return kernel_answers_; }
    /// The hypercall page is in place, so that a call can come from it.
    [[nodiscard]] bool hypercalls_enabled() const { return abi::PageRegister{hypercall_msr()}.enabled(); }

    /// Keeps the partition, and what it was made from, in place: for a sender that has let go of the port's lock and
    /// still has interrupts to raise, or for one VP that asks another. Begun with the lock of one of its live ports
    /// held, or with the monitor scanner's while that looks at a page for it, or else followed by a look whether the
    /// partition is still active.
    class Visit {
      public:
        explicit Visit(Partition& partition) : partition_{partition} { partition_.visitors_.fetch_add(1); }
        Visit(Visit const&) = delete;
        Visit& operator=(Visit const&) = delete;
        ~Visit() { partition_.visitors_.fetch_sub(1, std::memory_order_release); }

      private:
        Partition& partition_;
    };
    /// Returns when no visit is under way. With the partition inactive and all ports deleted, none begins any more.
    void wait_for_visits() const;

    [[nodiscard]] MemoryPool& pool() { return pool_; }

    // Ports by ID and connections by ID; values are PortHandle words. `tables_lock` is held while they change.
    Mutex<LockRank::Tables> tables_lock;
    [[nodiscard]] IdTable& ports() { return ports_; }
    [[nodiscard]] IdTable& connections() { return connections_; }
    [[nodiscard]] PartitionMonitors& monitors() { return monitors_; }

  private:
    friend class PartitionRegistry; // which alone knows who may be a parent

    void disable_hypercall_page();

    PartitionRegistry& registry_;
    PartitionId const id_;
    std::atomic<PartitionId> parent_;
    Rights const rights_;
    GuestMemory const& memory_;
    ReferenceTime const time_;
    InterruptSink& interrupts_;
    MachineControl& machine_;
    Tracer* const tracer_;
    ProcessorFacts const processor_;
    std::uint32_t const max_vps_;
    bool const kernel_answers_;
    std::atomic<bool> active_{true};
    std::atomic<std::uint32_t> visitors_{0};
    std::vector<std::unique_ptr<VirtualProcessor>> vps_;

    Mutex<LockRank::Partition> lock_; // the pages below, and writes to the words
    std::atomic<std::uint64_t> guest_os_id_{0};
    std::atomic<std::uint64_t> hypercall_{0};
    std::atomic<std::uint64_t> reference_tsc_{0};
    std::atomic<std::uint64_t> tsc_invariant_{0};
    std::array<std::atomic<std::uint64_t>, abi::crash_parameter_count> crash_{};
    OverlayPage hypercall_page_;
    OverlayPage reference_tsc_page_;

    MemoryPool pool_;
    IdTable ports_{pool_};
    IdTable connections_{pool_};
    PartitionMonitors monitors_;
};

} // namespace hv
