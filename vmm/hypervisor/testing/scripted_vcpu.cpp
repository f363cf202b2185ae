#include "vmm/hypervisor/testing/scripted_vcpu.hpp"

#include "hv/vp/hypercall_page.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <system_error>
#include <utility>

namespace vmm::testing {

void FaultPlan::fail(Call call, unsigned passing)
{
    std::lock_guard const guard{lock_};
    failing_[call] = passing;
}

void FaultPlan::repair()
{
    std::lock_guard const guard{lock_};
    failing_.clear();
}

bool FaultPlan::fails(Call call)
{
    std::lock_guard const guard{lock_};
    auto const found = failing_.find(call);
    if (found == failing_.end()) return false;
    if (found->second == 0) return true;
    --found->second;
    return false;
}

void FaultPlan::check(Call call)
{
    if (fails(call)) throw HypervisorError{"the hypervisor refused a call: Cannot allocate memory"};
}

class ScriptedVcpu::Timer final : public KickTimer {
  public:
    explicit Timer(ScriptedVcpu& vcpu) : vcpu_{vcpu} {}
    ~Timer() override { disarm(); }

    void arm(std::chrono::nanoseconds) override
    {
        std::lock_guard const guard{vcpu_.lock_};
        vcpu_.armed_ = this;
    }
    void disarm() override
    {
        std::lock_guard const guard{vcpu_.lock_};
        if (vcpu_.armed_ == this) vcpu_.armed_ = nullptr;
    }

  private:
    ScriptedVcpu& vcpu_;
};

ScriptedVcpu::ScriptedVcpu(FaultPlan& faults, bool first)
    : faults_{faults}, activity_{first ? Activity::Runs : Activity::WaitsForInit}
{}

void ScriptedVcpu::then(Step step)
{
    std::lock_guard const guard{lock_};
    steps_.push_back(std::move(step));
    changed_.notify_all();
}

void ScriptedVcpu::then_out(std::uint16_t port, std::uint8_t size, std::uint32_t value)
{
    then([=](ScriptedVcpu& vcpu) -> VmExit {
        std::memcpy(vcpu.data_.data(), &value, sizeof value);
        return exits::PortAccess{vcpu.data_.data(), 1, port, size, true};
    });
}

void ScriptedVcpu::then_in(std::uint16_t port, std::uint8_t size)
{
    then([=](ScriptedVcpu& vcpu) -> VmExit {
        vcpu.data_ = {};
        vcpu.unfinished_ = [&vcpu] {
            std::uint32_t value = 0;
            std::memcpy(&value, vcpu.data_.data(), sizeof value);
            vcpu.answer(value);
        };
        return exits::PortAccess{vcpu.data_.data(), 1, port, size, false};
    });
}

void ScriptedVcpu::then_read_msr(std::uint32_t index)
{
    then([=](ScriptedVcpu&) -> VmExit { return exits::MsrRead{index}; });
}

void ScriptedVcpu::then_write_msr(std::uint32_t index, std::uint64_t value)
{
    then([=](ScriptedVcpu& vcpu) -> VmExit {
        vcpu.written_ = value;
        return exits::MsrWrite{index, value};
    });
}

/// By IN, or by OUT where the page does that: when the upper half of the control word is not zero.
void ScriptedVcpu::then_call(std::uint64_t control, std::uint64_t input, std::uint64_t output)
{
    bool const by_out = control >> 32 != 0;
    then([=](ScriptedVcpu& vcpu) -> VmExit {
        vcpu.state.rcx = control;
        vcpu.state.rdx = input;
        vcpu.state.r8 = output;
        vcpu.data_ = {};
        if (!by_out)
            vcpu.unfinished_ = [&vcpu] { std::memcpy(&vcpu.state.rax, vcpu.data_.data(), sizeof vcpu.state.rax); };
        vcpu.on_entry_ = [&vcpu] { vcpu.answer(vcpu.state.rax); }; // what settles the registers does not know it yet
        auto const size = static_cast<std::uint8_t>(by_out ? 1 : sizeof(std::uint32_t));
        return exits::PortAccess{vcpu.data_.data(), 1, hv::hypercall_port_64bit, size, by_out};
    });
}

void ScriptedVcpu::then_read_memory(std::uint64_t address, std::uint8_t size)
{
    then([=](ScriptedVcpu& vcpu) -> VmExit {
        vcpu.data_ = {};
        vcpu.unfinished_ = [&vcpu] {
            std::uint64_t value = 0;
            std::memcpy(&value, vcpu.data_.data(), sizeof value);
            vcpu.answer(value);
        };
        return exits::MmioAccess{hv::Gpa{address}, std::span{vcpu.data_}.first(size), false};
    });
}

void ScriptedVcpu::then_fail(std::string why)
{
    then([why = std::move(why)](ScriptedVcpu& vcpu) -> VmExit {
        vcpu.failure_ = why;
        vcpu.then_fail(why);
        return exits::Failed{};
    });
}

void ScriptedVcpu::then_triple_fault()
{
    then([](ScriptedVcpu&) -> VmExit { return exits::TripleFault{}; });
}

void ScriptedVcpu::then_interrupt(unsigned times)
{
    for (unsigned i = 0; i < times; ++i)
        then([](ScriptedVcpu&) -> VmExit { return exits::Interrupted{}; });
}

std::vector<std::uint64_t> ScriptedVcpu::answers() const
{
    std::lock_guard const guard{lock_};
    return answers_;
}

std::uint64_t ScriptedVcpu::entries() const
{
    std::lock_guard const guard{lock_};
    return entries_;
}

void ScriptedVcpu::answer(std::optional<std::uint64_t> value)
{
    std::lock_guard const guard{lock_};
    answers_.push_back(value.value_or(fault));
}

void ScriptedVcpu::wait_until_halted()
{
    std::unique_lock lock{lock_};
    changed_.wait(lock, [this] { return halted_ && steps_.empty() && !kicked_; });
}

bool ScriptedVcpu::fire_timer()
{
    {
        std::lock_guard const guard{lock_};
        if (!std::exchange(armed_, nullptr)) return false;
    }
    kick();
    return true;
}

void ScriptedVcpu::adopt_thread()
{
    std::lock_guard const guard{lock_};
    thread_ = std::this_thread::get_id();
}

void ScriptedVcpu::release_thread()
{
    std::lock_guard const guard{lock_};
    thread_ = {};
    halted_ = true;
    changed_.notify_all();
}

bool ScriptedVcpu::is_own_thread() const
{
    std::lock_guard const guard{lock_};
    return thread_ == std::this_thread::get_id();
}

void ScriptedVcpu::kick()
{
    std::lock_guard const guard{lock_};
    if (thread_ == std::thread::id{}) return;
    kicked_ = true;
    changed_.notify_all();
}

void ScriptedVcpu::leave_at_once()
{
    std::lock_guard const guard{lock_};
    kicked_ = true;
}

void ScriptedVcpu::finish()
{
    if (auto const rest = std::exchange(unfinished_, nullptr)) rest();
}

VmExit ScriptedVcpu::run()
{
    struct Inside {
        explicit Inside(std::atomic<bool>& flag) : is{flag} { is = true; }
        Inside(Inside const&) = delete;
        Inside& operator=(Inside const&) = delete;
        ~Inside() { is = false; }
        std::atomic<bool>& is;
    } const inside{in_guest_};
    finish();
    if (auto const then = std::exchange(on_entry_, nullptr)) then();
    std::unique_lock lock{lock_};
    ++entries_;
    halted_ = true;
    changed_.notify_all();
    changed_.wait(lock, [this] { return kicked_ || !steps_.empty(); });
    halted_ = false;
    if (std::exchange(kicked_, false)) return exits::Interrupted{};
    auto const step = std::move(steps_.front());
    steps_.pop_front();
    lock.unlock();
    return step(*this);
}

std::unique_ptr<KickTimer> ScriptedVcpu::make_kick_timer()
{
    if (faults_.fails(Call::MakeKickTimer))
        throw std::system_error{EAGAIN, std::generic_category(), "cannot make a timer"};
    return std::make_unique<Timer>(*this);
}

bool ScriptedVcpu::read_xmm(std::span<std::byte, 96> out) const
{
    std::ranges::fill(out, std::byte{0});
    return !faults_.fails(Call::ReadXmm);
}

/// RIP is all that there is.
hv::Result<hv::abi::RegisterValue> ScriptedVcpu::get_register(hv::abi::RegisterName name) const
{
    if (name != hv::abi::RegisterName::Rip) return hv::Status::InvalidParameter;
    return hv::abi::RegisterValue{state.rip, 0};
}

hv::Status ScriptedVcpu::set_register(hv::abi::RegisterName name, hv::abi::RegisterValue const& value)
{
    if (name != hv::abi::RegisterName::Rip) return hv::Status::InvalidParameter;
    state.rip = value.low;
    return hv::Status::Success;
}

hv::Status ScriptedVcpu::start(hv::abi::InitialVpContext const& context)
{
    if (activity_ != Activity::WaitsForInit) return hv::Status::InvalidVpState;
    state.rip = context.rip;
    activity_ = Activity::Runs;
    return hv::Status::Success;
}

void ScriptedVcpu::set_cpuid(std::span<CpuidEntry const> entries)
{
    faults_.check(Call::SetCpuid);
    cpuid.assign(entries.begin(), entries.end());
}

void ScriptedVcpu::set_registers(Registers const& registers)
{
    faults_.check(Call::SetRegisters);
    state = registers;
}

SystemRegisters ScriptedVcpu::system_registers() const
{
    faults_.check(Call::GetSystemRegisters);
    return system;
}

void ScriptedVcpu::set_system_registers(SystemRegisters const& registers)
{
    faults_.check(Call::SetSystemRegisters);
    system = registers;
}

LocalApicPage ScriptedVcpu::local_apic() const
{
    faults_.check(Call::GetLocalApic);
    return apic;
}

void ScriptedVcpu::set_local_apic(LocalApicPage const& page)
{
    faults_.check(Call::SetLocalApic);
    apic = page;
}

std::uint32_t ScriptedVcpu::tsc_khz() const
{
    faults_.check(Call::GetTscKhz);
    return khz;
}

std::optional<std::uint64_t> ScriptedVcpu::read_msr(std::uint32_t index) const
{
    auto const found = msrs.find(index);
    return found == msrs.end() ? std::nullopt : std::optional{found->second};
}

bool ScriptedVcpu::write_msr(std::uint32_t index, std::uint64_t value)
{
    msrs[index] = value;
    return true;
}

bool ScriptedVcpu::set_tsc_offset(std::uint64_t value)
{
    if (faults_.fails(Call::SetTscOffset) || !offset) return false;
    if (!keeps_offset) offset = value;
    return true;
}

std::optional<InterruptWindow> ScriptedVcpu::interrupt_window()
{
    finish();
    return faults_.fails(Call::InterruptWindow) ? std::nullopt : std::optional{window};
}

bool ScriptedVcpu::inject_past_apic(std::uint8_t vector)
{
    if (faults_.fails(Call::Inject)) return false;
    injected.push_back(vector);
    return true;
}

} // namespace vmm::testing
