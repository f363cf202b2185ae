#include "vmm/kvm/kvm_vcpu.hpp"

#include "vmm/kvm/deadline_timer.hpp"
#include "vmm/kvm/injection.hpp"
#include "vmm/kvm/kick_signal.hpp"
#include "vmm/kvm/kvm_host.hpp"
#include "vmm/kvm/kvm_ioctl.hpp"
#include "vmm/kvm/kvm_registers.hpp"

#include <spdlog/fmt/fmt.h>

#include <cerrno>
#include <sys/mman.h>
#include <unistd.h>
#include <utility>

namespace vmm {

KvmVcpu::KvmVcpu(KvmHost const& host, int vm_fd, unsigned index, VmConfig const& machine)
    : host_{host},
      answers_calls_{machine.calls},
      fd_{kvm_ioctl(vm_fd, KVM_CREATE_VCPU, index, "another vCPU")},
      run_size_{host.run_page_size()},
      acceleration_{fd()},
      staged_{machine.staged_registers ? std::make_unique<register_groups::StagedSystem>() : nullptr}
{
    auto* const page = ::mmap(nullptr, run_size_, PROT_READ | PROT_WRITE, MAP_SHARED, fd(), 0);
    if (page == MAP_FAILED)
        throw HypervisorError{std::string{"cannot map a vCPU's run page: "} + devices::os_error(errno)};
    run_ = static_cast<kvm_run*>(page);
    run_->kvm_valid_regs = KVM_SYNC_X86_REGS;
    kvm_ioctl(fd(), KVM_GET_REGS, &general_registers(*run_), "the general registers of a vCPU"); // until it has run
    if (answers_calls_) acceleration_.use_calls();
}

KvmVcpu::~KvmVcpu()
{
    ::munmap(run_, run_size_);
}

void KvmVcpu::adopt_thread()
{
    kick_signal::adopt_thread(run_);
    thread_id_.store(::gettid());
}

void KvmVcpu::release_thread()
{
    thread_id_.store(0);
    kick_signal::adopt_thread(nullptr);
}

/// A hypercall comes by a port, and this is the way that is measured in single instructions: all else is left to
/// functions of their own.
VmExit KvmVcpu::run()
{
    known_.forget();
    if (::ioctl(fd(), KVM_RUN, 0) != 0) [[unlikely]]
        return interrupted(errno);
    if (run_->exit_reason != KVM_EXIT_IO) return other_exit();
    auto const& io = run_->io;
    auto* const data = reinterpret_cast<std::byte*>(run_) + io.data_offset;
    return exits::PortAccess{data, io.count, io.port, io.size, io.direction == KVM_EXIT_IO_OUT};
}

VmExit KvmVcpu::interrupted(int error)
{
    if (error != EINTR && error != EAGAIN) return failed(std::string{"KVM_RUN failed: "} + devices::os_error(error));
    __atomic_store_n(&run_->immediate_exit, 0, __ATOMIC_RELAXED);
    return exits::Interrupted{};
}

VmExit KvmVcpu::other_exit()
{
    switch (run_->exit_reason) {
    case KVM_EXIT_X86_WRMSR: return exits::MsrWrite{run_->msr.index, run_->msr.data};
    case KVM_EXIT_X86_RDMSR: return exits::MsrRead{run_->msr.index};
    case KVM_EXIT_MMIO: {
        auto& mmio = run_->mmio;
        std::span const data{reinterpret_cast<std::byte*>(mmio.data), mmio.len};
        return exits::MmioAccess{hv::Gpa{mmio.phys_addr}, data, mmio.is_write != 0};
    }
    case KVM_EXIT_HYPERV: {
        if (run_->hyperv.type != KVM_EXIT_HYPERV_HCALL) return exits::Interrupted{};
        auto const& call = run_->hyperv.u.hcall;
        return exits::Hypercall{call.input, call.params[0], call.params[1]};
    }
    case KVM_EXIT_IOAPIC_EOI: return exits::InterruptEnded{run_->eoi.vector};
    case KVM_EXIT_INTR:
    case KVM_EXIT_IRQ_WINDOW_OPEN: return exits::Interrupted{};
    case KVM_EXIT_HLT: return exits::Halted{};
    case KVM_EXIT_SHUTDOWN: return exits::TripleFault{};
    case KVM_EXIT_FAIL_ENTRY:
        return failed(fmt::format("the processor refused to enter the guest (hardware reason {:#x})",
                                  static_cast<std::uint64_t>(run_->fail_entry.hardware_entry_failure_reason)));
    case KVM_EXIT_INTERNAL_ERROR:
        return failed(run_->internal.suberror == KVM_INTERNAL_ERROR_EMULATION
                          ? std::string{"KVM cannot emulate the instruction that it came to"}
                          : fmt::format("KVM internal error, suberror {}", run_->internal.suberror + 0U));
    default:
        return failed(
            fmt::format("KVM stopped for a reason that Porthole does not know ({})", run_->exit_reason + 0U));
    }
}

VmExit KvmVcpu::failed(std::string why)
{
    failure_ = std::move(why);
    return exits::Failed{};
}

void KvmVcpu::kick()
{
    kick_signal::send(thread_id_.load());
}

bool KvmVcpu::is_own_thread() const
{
    return thread_id_.load() == ::gettid();
}

void KvmVcpu::leave_at_once()
{
    __atomic_store_n(&run_->immediate_exit, 1, __ATOMIC_RELAXED);
}

/// Some kinds of KVM show RIP at the OUT of a hypercall until the next KVM_RUN. A kick that comes meanwhile leaves
/// its own mark, and then the next KVM_RUN returns too. Whoever settles a vCPU looks at its registers next.
void KvmVcpu::settle()
{
    std::uint8_t none = 0;
    std::uint8_t own = 2;
    known_.forget();
    (void)__atomic_compare_exchange_n(&run_->immediate_exit, &none, own, false, __ATOMIC_RELAXED, __ATOMIC_RELAXED);
    run_->kvm_valid_regs = KVM_SYNC_X86_REGS | StateCache::in_run_page;
    bool const returned = ::ioctl(fd(), KVM_RUN, 0) == 0 || errno == EINTR || errno == EAGAIN;
    run_->kvm_valid_regs = KVM_SYNC_X86_REGS;
    if (returned) known_.take(*run_);
    (void)__atomic_compare_exchange_n(&run_->immediate_exit, &own, std::uint8_t{0}, false, __ATOMIC_RELAXED,
                                      __ATOMIC_RELAXED);
}

std::unique_ptr<KickTimer> KvmVcpu::make_kick_timer()
{
    return std::make_unique<DeadlineTimer>();
}

void KvmVcpu::finish_msr_read(std::optional<std::uint64_t> value)
{
    run_->msr.data = value.value_or(0);
    run_->msr.error = value ? 0 : 1; // 1: #GP
}

void KvmVcpu::finish_msr_write(bool ok)
{
    run_->msr.error = ok ? 0 : 1;
}

void KvmVcpu::finish_hypercall(std::uint64_t result)
{
    run_->hyperv.u.hcall.result = result;
}

Registers const& KvmVcpu::registers() const
{
    return general_registers(*run_);
}

Registers& KvmVcpu::change_registers()
{
    run_->kvm_dirty_regs = KVM_SYNC_X86_REGS;
    return general_registers(*run_);
}

void KvmVcpu::halt()
{
    kvm_mp_state halted{KVM_MP_STATE_HALTED};
    ::ioctl(fd(), KVM_SET_MP_STATE, &halted);
}

Activity KvmVcpu::activity() const
{
    kvm_mp_state state{};
    if (::ioctl(fd(), KVM_GET_MP_STATE, &state) != 0) return Activity::Unknown;
    switch (state.mp_state) {
    case KVM_MP_STATE_RUNNABLE: return Activity::Runs;
    case KVM_MP_STATE_HALTED: return Activity::Halted;
    case KVM_MP_STATE_UNINITIALIZED: return Activity::WaitsForInit;
    case KVM_MP_STATE_INIT_RECEIVED:
    case KVM_MP_STATE_SIPI_RECEIVED: return Activity::WaitsForStartup;
    default: return Activity::Unknown;
    }
}

void KvmVcpu::wait_for_init()
{
    kvm_mp_state waits{KVM_MP_STATE_UNINITIALIZED};
    kvm_ioctl(fd(), KVM_SET_MP_STATE, &waits, "to have a vCPU wait");
}

std::optional<InterruptWindow> KvmVcpu::interrupt_window()
{
    known_.forget();
    return injection::window(fd(), *run_, events_);
}

bool KvmVcpu::inject_past_apic(std::uint8_t vector)
{
    return injection::inject(fd(), events_, vector);
}

} // namespace vmm
