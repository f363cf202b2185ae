/// What a VP finds around it in its partition: rights, memory, time, interrupts, and the registers that all VPs
/// share.
#pragma once

#include "hv/abi/registers.hpp"
#include "hv/abi/types.hpp"
#include "hv/base/acceleration.hpp"
#include "hv/base/guest_memory.hpp"
#include "hv/base/interfaces.hpp"
#include "hv/base/overlay_page.hpp"
#include "hv/base/sync.hpp"
#include "hv/base/trace.hpp"
#include "hv/cpuid/privileges.hpp"
#include "hv/cpuid/processor_facts.hpp"
#include "hv/time/reference_time.hpp"
#include "hv/vp/hypercall_page.hpp"

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <tuple>
#include <vector>

namespace hv {

class ChildHost;
struct Child;

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
    OverlayPage::Content hypercall_page = hv::hypercall_page();
    ChildHost* children = nullptr;  ///< makes the partitions that it asks for; without one it makes none
    std::shared_ptr<Child> child{}; ///< of one that was made so
    bool active = true;
};

/// Callable from any thread. The registers are written by VPs, one at a time.
class VpEnvironment {
  public:
    explicit VpEnvironment(PartitionConfig const& config);
    VpEnvironment(VpEnvironment const&) = delete;
    VpEnvironment& operator=(VpEnvironment const&) = delete;

    [[nodiscard]] Rights const& rights() const { return rights_; }
    [[nodiscard]] GuestMemory const& memory() const { return memory_; }
    [[nodiscard]] ReferenceTime const& time() const { return time_; }
    [[nodiscard]] InterruptSink& interrupts() const { return interrupts_; }
    [[nodiscard]] MachineControl& machine() const { return machine_; }
    [[nodiscard]] Tracer* tracer() const { return tracer_; }
    [[nodiscard]] ProcessorFacts const& processor() const { return processor_; }
    [[nodiscard]] std::uint32_t max_vps() const { return max_vps_; }

    // Partition-wide registers. Setters answer false for a value that must raise #GP;
    // what accelerates the VP that writes them, if anything does, hears of it.
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
    void set_reference_tsc(std::uint64_t value, Acceleration* of_writer);
    [[nodiscard]] bool set_tsc_invariant_control(std::uint64_t value, Acceleration* of_writer);
    /// Of all VPs; the reference time stays what it is.
    [[nodiscard]] bool set_tsc(std::uint64_t value, Acceleration* of_writer);
    /// Returns when no TSC is just being set: reference time is right then.
    void wait_for_time() { std::lock_guard const guard{lock_}; }
    void set_crash_parameter(std::size_t n, std::uint64_t v) { crash_[n].store(v, std::memory_order_relaxed); }
    void crash(std::uint64_t control) const;

    /// The hypercall page is in place, so that a call can come from it.
    [[nodiscard]] bool hypercalls_enabled() const { return abi::PageRegister{hypercall_msr()}.enabled(); }

    /// Adds the numbers of the pages that overlays shared by the VPs are to cover.
    void list_overlays(std::vector<std::uint64_t>& pages) const;

  protected:
    ~VpEnvironment() = default;

    /// Before any VP is there, and before the partition is active.
    void grant(Rights const& rights) { rights_ = rights; }

    /// The guest's memory has been restored before. Throws std::bad_alloc.
    void visit_environment(StateVisitor& visitor);

  private:
    struct Registers {
        std::uint64_t guest_os_id = 0;
        std::uint64_t hypercall = 0;
        std::uint64_t reference_tsc = 0;
        std::uint64_t tsc_invariant = 0;
        std::array<std::uint64_t, abi::crash_parameter_count> crash{};

        static constexpr auto fields()
        {
            return std::tuple{
                StateField{"guest_os_id", &Registers::guest_os_id}, StateField{"hypercall", &Registers::hypercall},
                StateField{"reference_tsc", &Registers::reference_tsc},
                StateField{"tsc_invariant", &Registers::tsc_invariant}, StateField{"crash", &Registers::crash}};
        }
    };

    [[nodiscard]] OverlayPage::Content time_page() const;
    void disable_hypercall_page();
    void set_registers(Registers const& registers);

    Rights rights_;
    GuestMemory const& memory_;
    ReferenceTime time_;
    InterruptSink& interrupts_;
    MachineControl& machine_;
    Tracer* const tracer_;
    ProcessorFacts const processor_;
    std::uint32_t const max_vps_;

    Mutex<LockRank::Partition> lock_; // the pages below, and writes to the words
    std::atomic<std::uint64_t> guest_os_id_{0};
    std::atomic<std::uint64_t> hypercall_{0};
    std::atomic<std::uint64_t> reference_tsc_{0};
    std::atomic<std::uint64_t> tsc_invariant_{0};
    std::array<std::atomic<std::uint64_t>, abi::crash_parameter_count> crash_{};
    OverlayPage hypercall_page_;
    OverlayPage reference_tsc_page_;
};

} // namespace hv
