#include "vmm/kvm/vcpu.hpp"

#include "devices/base/guarded_thread.hpp"
#include "devices/base/os_error.hpp"
#include "hv/hypercall/dispatch.hpp"
#include "hv/partition/partition.hpp"
#include "hv/vp/hypercall_page.hpp"
#include "vmm/base/log.hpp"
#include "vmm/kvm/kick_signal.hpp"
#include "vmm/kvm/kvm_ioctl.hpp"

#include <linux/kvm.h>
#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>
#include <utility>

namespace vmm {

namespace {

constexpr std::uint64_t rflags_if = 1U << 9;

/// A guest may ask for a timer period shorter than anybody can serve. It then gets this one, so that its VP still
/// makes progress between two expirations.
constexpr std::chrono::microseconds shortest_rearm{20};

std::uint64_t joined(std::uint64_t high, std::uint64_t low)
{
    return high << 32 | (low & 0xFFFF'FFFF);
}

} // namespace

Vcpu::Vcpu(KvmHost const& host, Vm const& vm, unsigned index, devices::PortBus const& ports, PauseGate& gate,
           Died died)
    : index_{index},
      ports_{ports},
      gate_{gate},
      died_{std::move(died)},
      fd_{kvm_ioctl(vm.fd(), KVM_CREATE_VCPU, index, "another vCPU")},
      run_size_{host.run_page_size()},
      acceleration_{fd()}
{
    auto* const page = ::mmap(nullptr, run_size_, PROT_READ | PROT_WRITE, MAP_SHARED, fd(), 0);
    if (page == MAP_FAILED) throw KvmError{std::string{"cannot map a vCPU's run page: "} + devices::os_error(errno)};
    run_ = static_cast<kvm_run*>(page);
    run_->kvm_valid_regs = KVM_SYNC_X86_REGS;
}

Vcpu::~Vcpu()
{
    request_stop();
    join();
    ::munmap(run_, run_size_);
}

void Vcpu::start()
{
    thread_ = std::thread{[this] { thread_main(); }};
}

void Vcpu::stay_out()
{
    stopping_.store(true);
    kick();
}

void Vcpu::request_stop()
{
    if (!thread_.joinable()) return;
    stopping_.store(true);
    vp_->requests().close(); // it may be waiting for another VP
    kick();
}

void Vcpu::join()
{
    if (thread_.joinable()) thread_.join();
}

void Vcpu::thread_main()
{
    pthread_setname_np(pthread_self(), fmt::format("vcpu{}", index_).c_str());
    kick_signal::adopt_thread(run_);
    thread_id_.store(::gettid());
    auto const run = [this] {
        timer_.emplace();
        leave_at_once(); // a request may have come before there was a thread to kick
        run_guest();
    };
    devices::contain(run, [this](char const* what) { die(what); });
    vp_->requests().close();
    gate_.leave();
    timer_.reset();
    injection_retry_.reset();
    thread_id_.store(0);
    kick_signal::adopt_thread(nullptr);
}

void Vcpu::run_guest()
{
    while (!stopping_.load(std::memory_order_relaxed)) {
        if (overdue_) [[unlikely]]
            expire_timers();
        if (injected_.waiting()) [[unlikely]] {
            inject();
            if (deadline_armed_) expire_timers(); // it may have swallowed a kick
            if (vp_->requests().waiting() || gate_.closed()) leave_at_once();
            if (stopping_.load()) break;
        }
        if (::ioctl(fd(), KVM_RUN, 0) == 0) [[likely]] {
            handle_exit();
        } else if (errno == EINTR || errno == EAGAIN) {
            __atomic_store_n(&run_->immediate_exit, 0, __ATOMIC_RELAXED);
            if (gate_.closed()) [[unlikely]]
                gate_.pass(vp_->requests(), stopping_);
            if (deadline_armed_) expire_timers();
            if (vp_->requests().waiting()) vp_->requests().serve();
        } else {
            die(std::string{"KVM_RUN failed: "} + devices::os_error(errno));
        }
    }
}

/// The next KVM_RUN finishes the instruction that the last exit was for, brings the run page up to date and returns.
void Vcpu::leave_at_once()
{
    __atomic_store_n(&run_->immediate_exit, 1, __ATOMIC_RELAXED);
}

void Vcpu::kick()
{
    kick_signal::send(thread_id_.load());
}

/// Some kinds of KVM show RIP at the OUT of a hypercall until the next KVM_RUN. The mark stays, in case that a kick
/// has come meanwhile: the next KVM_RUN returns too.
void Vcpu::settle()
{
    settled_ = true;
    leave_at_once();
    (void)::ioctl(fd(), KVM_RUN, 0);
}

hv::Status Vcpu::get_register(hv::abi::RegisterName name, hv::abi::RegisterValue& value) const
{
    return VcpuRegisters{fd(), *run_}.get(name, value);
}

hv::Status Vcpu::set_register(hv::abi::RegisterName name, hv::abi::RegisterValue const& value)
{
    return VcpuRegisters{fd(), *run_}.set(name, value);
}

hv::Status Vcpu::start(hv::abi::InitialVpContext const& context)
{
    return VcpuRegisters{fd(), *run_}.start(context);
}

void Vcpu::expire_timers()
{
    overdue_ = false;
    deadline_armed_ = false;
    expiring_ = true;
    vp_->expire_timers();
    expiring_ = false;
}

void Vcpu::assert_auto_eoi(std::uint8_t vector)
{
    injected_.request(vector);
    kick_from_elsewhere();
}

void Vcpu::inject_external_interrupt()
{
    injected_.request_external();
    kick_from_elsewhere();
}

void Vcpu::kick_from_elsewhere()
{
    auto const thread = thread_id_.load();
    if (thread != ::gettid()) kick_signal::send(thread);
}

/// There is no exit for "the guest takes interrupts again" with the local APIC in the kernel, so this looks again
/// soon.
void Vcpu::inject()
{
    constexpr std::chrono::microseconds soon{100};
    if (injected_.inject(fd(), *run_)) return;
    if (!injection_retry_) injection_retry_.emplace();
    injection_retry_->arm(soon);
}

void Vcpu::handle_exit()
{
    switch (run_->exit_reason) {
    case KVM_EXIT_IO: handle_io(); break;
    case KVM_EXIT_X86_WRMSR: handle_msr_write(); break;
    case KVM_EXIT_X86_RDMSR: handle_msr_read(); break;
    case KVM_EXIT_MMIO: handle_mmio(); break;
    case KVM_EXIT_HYPERV: hypercall_passed_on(); break;
    case KVM_EXIT_INTR:
    case KVM_EXIT_IRQ_WINDOW_OPEN: break;
    case KVM_EXIT_SHUTDOWN: die("triple fault", true); break;
    case KVM_EXIT_FAIL_ENTRY:
        die(fmt::format("the processor refused to enter the guest (hardware reason {:#x})",
                        static_cast<std::uint64_t>(run_->fail_entry.hardware_entry_failure_reason)));
        break;
    case KVM_EXIT_INTERNAL_ERROR:
        die(run_->internal.suberror == KVM_INTERNAL_ERROR_EMULATION
                ? std::string{"KVM cannot emulate the instruction that it came to"}
                : fmt::format("KVM internal error, suberror {}", static_cast<unsigned>(run_->internal.suberror)));
        break;
    default: die(fmt::format("KVM stopped for a reason that Porthole does not know ({})", run_->exit_reason + 0U));
    }
}

void Vcpu::handle_io()
{
    auto const& io = run_->io;
    auto* data = reinterpret_cast<std::byte*>(run_) + io.data_offset;
    if (io.port == hv::hypercall_port_64bit || io.port == hv::hypercall_port_32bit) {
        if (vp_->partition().hypercalls_enabled() && hypercall(data)) return;
    }

    for (std::uint32_t i = 0; i < io.count; ++i, data += io.size) {
        std::uint32_t value = 0;
        if (io.direction == KVM_EXIT_IO_OUT) {
            std::memcpy(&value, data, io.size);
            ports_.write(io.port, io.size, value);
        } else {
            value = ports_.read(io.port, io.size);
            std::memcpy(data, &value, io.size);
        }
    }
}

/// Whether the access was a hypercall after all. The IN or OUT is finished by KVM when the guest is entered again:
/// RIP is none of our business here.
bool Vcpu::hypercall(std::byte* data)
{
    auto const& io = run_->io;
    bool const by_in = io.direction == KVM_EXIT_IO_IN;
    if (by_in && (io.port != hv::hypercall_port_64bit || io.size != sizeof(std::uint32_t))) return false;
    if (io.port == hv::hypercall_port_64bit) {
        hypercall_64bit(by_in ? data : nullptr);
    } else {
        hypercall_32bit();
    }
    return true;
}

/// The result goes to what the IN brings, if there is one and it is not over already.
void Vcpu::hypercall_64bit(std::byte* in)
{
    auto& regs = run_->s.regs.regs;
    settled_ = false;
    auto const result = hv::dispatch(*vp_, {hv::abi::Control{regs.rcx}, regs.rdx, regs.r8});
    if (in && !settled_) [[likely]] {
        std::memcpy(in, &result, sizeof(std::uint32_t)); // little-endian
    } else {
        regs.rax = result;
        run_->kvm_dirty_regs = KVM_SYNC_X86_REGS;
    }
}

void Vcpu::hypercall_32bit() const
{
    auto& regs = run_->s.regs.regs;
    hv::HypercallRegisters const registers{hv::abi::Control{joined(regs.rdx, regs.rax)}, joined(regs.rbx, regs.rcx),
                                           joined(regs.rdi, regs.rsi)};
    auto const result = hv::dispatch(*vp_, registers);
    regs.rax = result & 0xFFFF'FFFF;
    regs.rdx = result >> 32;
    run_->kvm_dirty_regs = KVM_SYNC_X86_REGS;
}

/// HvPostMessage and HvSignalEvent of a guest that does not go by the hypercall page: KVM takes a VMCALL, and leaves
/// these to whoever has turned its SynIC on. It brings no pages of input but by their address, and the result itself.
void Vcpu::hypercall_passed_on()
{
    auto& exit = run_->hyperv;
    if (exit.type != KVM_EXIT_HYPERV_HCALL) return;
    auto& call = exit.u.hcall;
    call.result = hv::dispatch(*vp_, {hv::abi::Control{call.input}, call.params[0], call.params[1]});
}

void Vcpu::handle_msr_read() const
{
    auto& msr = run_->msr;
    auto const value = vp_->read_msr(msr.index);
    msr.data = value.value_or(0);
    msr.error = value ? 0 : 1; // 1: #GP
    if (value) return;
    static RateLimit limit;
    if (spdlog::should_log(spdlog::level::debug))
        warn_limited(limit, "the guest read synthetic MSR {:#x}, which it is not offered", msr.index + 0U);
}

void Vcpu::handle_msr_write() const
{
    auto& msr = run_->msr;
    auto const ok = vp_->write_msr(msr.index, msr.data);
    msr.error = ok ? 0 : 1;
    if (ok) return;
    static RateLimit limit;
    if (spdlog::should_log(spdlog::level::debug))
        warn_limited(limit, "the guest wrote {:#x} to synthetic MSR {:#x}, which was refused",
                     std::uint64_t{msr.data}, msr.index + 0U);
}

/// No device of ours is behind MMIO: what is not RAM reads as all ones, as on a PC.
void Vcpu::handle_mmio() const
{
    auto& mmio = run_->mmio;
    if (!mmio.is_write) std::fill(std::begin(mmio.data), std::end(mmio.data), std::uint8_t{0xFF});
    static RateLimit limit;
    if (spdlog::should_log(spdlog::level::debug))
        warn_limited(limit, "the guest {} {:#x}, where there is nothing", mmio.is_write ? "wrote to" : "read from",
                     std::uint64_t{mmio.phys_addr});
}

void Vcpu::die(std::string reason, bool triple_fault)
{
    DeathReport report{index_, std::move(reason), triple_fault, run_->s.regs.regs, std::nullopt};
    kvm_sregs sregs{};
    if (::ioctl(fd(), KVM_GET_SREGS, &sregs) == 0) report.sregs = sregs;
    stopping_.store(true);
    died_(report);
}

void Vcpu::arm_deadline(hv::RefTime deadline)
{
    constexpr std::uint64_t longest = 10'000'000ULL * 3600; // an hour, then look again
    auto const now = vp_->partition().time().now();
    if (deadline <= now && !expiring_) {
        overdue_ = true;
        return;
    }
    auto const ticks = deadline > now ? std::min(deadline.value - now.value, longest) : 0;
    std::chrono::nanoseconds const delay{ticks * 100};
    deadline_armed_ = true;
    overdue_ = false;
    timer_->arm(expiring_ ? std::max<std::chrono::nanoseconds>(delay, shortest_rearm) : delay);
}

void Vcpu::disarm_deadline()
{
    overdue_ = false;
    deadline_armed_ = false;
    timer_->disarm();
}

/// Halted, KVM wakes the VP for any interrupt that it would take. With interrupts masked it would not, so then the VP
/// only pauses: returning early is allowed, sleeping through an interrupt is not.
void Vcpu::idle()
{
    if ((run_->s.regs.regs.rflags & rflags_if) != 0) {
        kvm_mp_state halted{KVM_MP_STATE_HALTED};
        ::ioctl(fd(), KVM_SET_MP_STATE, &halted);
        return;
    }
    constexpr timespec pause{0, 1'000'000};
    ::nanosleep(&pause, nullptr); // a kick ends it
}

void Vcpu::yield()
{
    ::sched_yield();
}

std::uint64_t Vcpu::runtime_100ns() const
{
    timespec used{};
    ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &used);
    return static_cast<std::uint64_t>(used.tv_sec) * 10'000'000 + static_cast<std::uint64_t>(used.tv_nsec) / 100;
}

bool Vcpu::read_xmm(std::span<std::byte, 96> out) const
{
    kvm_fpu fpu{};
    if (::ioctl(fd(), KVM_GET_FPU, &fpu) != 0) return false;
    std::memcpy(out.data(), fpu.xmm, out.size());
    return true;
}

} // namespace vmm
