/// A hypervisor below that runs no guest: what its vCPUs do is a script, and each call to it can be made to fail.
/// Whole machines run on it in unit tests, without any /dev/kvm.
#pragma once

#include "vmm/hypervisor/testing/scripted_vcpu.hpp"

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <utility>
#include <vector>

namespace vmm::testing {

class ScriptedVm final : public Vm {
  public:
    struct Record {
        std::vector<std::pair<std::uint32_t, std::uint8_t>> interrupts; ///< APIC ID and vector
        std::vector<hv::VirtualInterrupt> virtual_interrupts;
        std::vector<std::pair<std::uint64_t, std::uint32_t>> messages; ///< address and data
        std::map<std::uint32_t, bool> lines;                           ///< by global system interrupt
        std::map<std::uint64_t, MemoryMapping> memory;
        unsigned timers_accelerated = 0; ///< of so many vCPUs
    };

    ScriptedVm(FaultPlan& faults, VmConfig const& config) : faults_{faults}, config_{config} {}

    [[nodiscard]] Vcpu& add_vcpu(unsigned index) override;
    void map(MemoryMapping const& mapping) override;
    void unmap(hv::Gpa base) override;
    [[nodiscard]] std::vector<std::uint64_t> take_dirty_pages(hv::Gpa base) override;
    void signal_msi(std::uint32_t apic_id, std::uint8_t vector) override;
    void signal_msi(hv::VirtualInterrupt const& interrupt) override;
    void watch_eois(std::uint8_t) override {}
    void write_msi(std::uint64_t address, std::uint32_t data) override;
    void set_irq_line(std::uint32_t gsi, bool asserted) override;
    [[nodiscard]] std::unique_ptr<Doorbell> add_doorbell(DoorbellAddress const& address, int event_fd) override;
    void accelerate_timers(hv::ReferenceTime const& time) override;

    [[nodiscard]] VmConfig const& config() const { return config_; }
    [[nodiscard]] ScriptedVcpu& vcpu(unsigned index = 0) const { return *vcpus_.at(index); }
    /// The guest writes to a page. From any thread.
    void dirty(hv::Gpa page);
    /// What is called with each mapping that comes or goes. Before the machine runs.
    std::function<void()> on_mapping = [] {};
    /// A copy, as it is now. From any thread.
    [[nodiscard]] Record record() const;

  private:
    FaultPlan& faults_;
    VmConfig const config_;
    std::vector<std::unique_ptr<ScriptedVcpu>> vcpus_;
    mutable std::mutex lock_; // the next
    Record record_;
    std::set<std::uint64_t> dirty_; ///< pages
};

class ScriptedHypervisor final : public Hypervisor {
  public:
    [[nodiscard]] std::unique_ptr<Vm> create_vm(VmConfig const& config) const override;
    [[nodiscard]] unsigned max_vcpus() const override { return 8; }
    [[nodiscard]] std::vector<CpuidEntry> supported_cpuid() const override;
    [[nodiscard]] AccelerationOffer acceleration() const override { return offer; }

    /// The one that was made last, while it lives.
    [[nodiscard]] ScriptedVm& vm() const { return *last_; }

    AccelerationOffer offer;
    bool virtualises = true; ///< it can give guests SVM
    mutable FaultPlan faults;

  private:
    mutable ScriptedVm* last_ = nullptr;
};

} // namespace vmm::testing
