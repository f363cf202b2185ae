#pragma once

#include "hv/testing/world.hpp"
#include "vmm/hypervisor/hypervisor.hpp"

#include <array>
#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

namespace vmm::testing {

/// The calls that can be made to fail.
enum class Call {
    CreateVm,
    SupportedCpuid,
    AddVcpu,
    Map,
    SetCpuid,
    SetRegisters,
    GetSystemRegisters,
    SetSystemRegisters,
    GetLocalApic,
    SetLocalApic,
    GetTscKhz,
    SetTscOffset,
    AccelerateTimers,
    MakeKickTimer,
    ReadXmm,
    InterruptWindow,
    Inject,
};

/// Which calls fail. From any thread.
class FaultPlan {
  public:
    /// The call fails from now on, but for the first `passing` times.
    void fail(Call call, unsigned passing = 0);
    void repair();
    [[nodiscard]] bool fails(Call call);
    /// Throws HypervisorError when it fails, as a hypervisor does that is out of memory.
    void check(Call call);

  private:
    std::mutex lock_; // the next
    std::map<Call, unsigned> failing_;
};

/// Its guest does one step of a script each time that it is entered, and halts when there is none left.
class ScriptedVcpu final : public Vcpu {
  public:
    static constexpr std::uint64_t fault = 0xFA17'FA17'FA17'FA17;

    using Step = std::function<VmExit(ScriptedVcpu&)>;

    ScriptedVcpu(FaultPlan& faults, bool first);

    // The script. From any thread.

    void then(Step step);
    void then_out(std::uint16_t port, std::uint8_t size, std::uint32_t value);
    void then_in(std::uint16_t port, std::uint8_t size);           ///< what comes is an answer
    void then_read_msr(std::uint32_t index);                       ///< likewise
    void then_write_msr(std::uint32_t index, std::uint64_t value); ///< the answer is the value
    /// By the port that the hypercall page leads to; the answer is the result.
    void then_call(std::uint64_t control, std::uint64_t input, std::uint64_t output = 0);
    void then_read_memory(std::uint64_t address, std::uint8_t size); ///< where there is none
    void then_fail(std::string why); ///< the vCPU is lost: it fails however often it is entered
    void then_triple_fault();
    /// It leaves the guest for no reason, so often.
    void then_interrupt(unsigned times);

    /// What the guest got, in the order of its steps; `fault` where it got #GP.
    [[nodiscard]] std::vector<std::uint64_t> answers() const;
    /// Waits until the guest has done all steps and halts, with no kick under way.
    void wait_until_halted();
    /// From any thread.
    [[nodiscard]] bool is_in_guest() const { return in_guest_; }
    /// How often it was entered.
    [[nodiscard]] std::uint64_t entries() const;
    /// Fires the kick timer that was armed last. False when none is armed.
    bool fire_timer();

    // What the guest looks like. Before it runs, or in a step.

    Registers state{};
    SystemRegisters system{};
    LocalApicPage apic{};
    std::vector<CpuidEntry> cpuid;
    std::map<std::uint32_t, std::uint64_t> msrs{{0x10, 0}};
    std::optional<std::uint64_t> offset{0}; ///< of its TSC
    bool keeps_offset = false;              ///< takes any and keeps the first, as KVM-PVM does
    InterruptWindow window{true, true, 0};
    std::vector<std::uint8_t> injected; ///< past its APIC
    std::uint32_t khz = 2'000'000;
    hv::testing::FakeAcceleration accelerated; ///< when it is so
    bool is_accelerated = false;

    void adopt_thread() override;
    void release_thread() override;
    [[nodiscard]] VmExit run() override;
    [[nodiscard]] std::string failure() const override { return failure_; }
    void kick() override;
    [[nodiscard]] bool is_own_thread() const override;
    void leave_at_once() override;
    void settle() override { finish(); }
    [[nodiscard]] std::unique_ptr<KickTimer> make_kick_timer() override;
    void finish_msr_read(std::optional<std::uint64_t> value) override { answer(value); }
    void finish_msr_write(bool ok) override { answer(ok ? std::optional{written_} : std::nullopt); }
    void finish_hypercall(std::uint64_t result) override { answer(result); }
    [[nodiscard]] Registers const& registers() const override { return state; }
    [[nodiscard]] Registers& change_registers() override { return state; }
    [[nodiscard]] bool read_xmm(std::span<std::byte, 96> out) const override;
    [[nodiscard]] hv::Result<hv::abi::RegisterValue> get_register(hv::abi::RegisterName name) const override;
    [[nodiscard]] hv::Status set_register(hv::abi::RegisterName name, hv::abi::RegisterValue const& value) override;
    [[nodiscard]] hv::Status start(hv::abi::InitialVpContext const& context) override;
    [[nodiscard]] bool read_xsave(std::span<std::byte>) const override { return false; }
    [[nodiscard]] bool write_xsave(std::span<std::byte const>) override { return false; }
    void set_cpuid(std::span<CpuidEntry const> entries) override;
    void set_registers(Registers const& registers) override;
    [[nodiscard]] SystemRegisters system_registers() const override;
    void set_system_registers(SystemRegisters const& registers) override;
    [[nodiscard]] LocalApicPage local_apic() const override;
    void set_local_apic(LocalApicPage const& page) override;
    [[nodiscard]] std::uint32_t tsc_khz() const override;
    [[nodiscard]] std::optional<std::uint64_t> read_msr(std::uint32_t index) const override;
    [[nodiscard]] bool write_msr(std::uint32_t index, std::uint64_t value) override;
    [[nodiscard]] std::optional<std::uint64_t> tsc_offset() const override { return offset; }
    [[nodiscard]] bool set_tsc_offset(std::uint64_t value) override;
    [[nodiscard]] Activity activity() const override { return activity_; }
    void halt() override { activity_ = Activity::Halted; }
    void wait_for_init() override { activity_ = Activity::WaitsForInit; }
    [[nodiscard]] std::optional<InterruptWindow> interrupt_window() override;
    [[nodiscard]] bool inject_past_apic(std::uint8_t vector) override;
    [[nodiscard]] hv::Acceleration* acceleration() override { return is_accelerated ? &accelerated : nullptr; }

  private:
    class Timer;

    void answer(std::optional<std::uint64_t> value);
    void finish();

    FaultPlan& faults_;
    std::array<std::byte, 8> data_{};  ///< of the access that the last exit was for
    std::function<void()> unfinished_; ///< what is left of its instruction
    std::function<void()> on_entry_;   ///< what the guest does first
    std::uint64_t written_ = 0;
    std::string failure_;
    Activity activity_;
    std::atomic<bool> in_guest_{false};

    mutable std::mutex lock_; // the rest
    std::condition_variable changed_;
    std::deque<Step> steps_;
    std::vector<std::uint64_t> answers_;
    std::uint64_t entries_ = 0;
    std::thread::id thread_;
    bool kicked_ = false;
    bool halted_ = false;
    Timer* armed_ = nullptr;
};

} // namespace vmm::testing
