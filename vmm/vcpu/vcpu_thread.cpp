#include "vmm/vcpu/vcpu_thread.hpp"

#include "devices/base/guarded_thread.hpp"
#include "hv/abi/msr.hpp"
#include "hv/hypercall/dispatch.hpp"
#include "hv/partition/partition.hpp"
#include "hv/vp/hypercall_page.hpp"
#include "vmm/base/log.hpp"
#include "vmm/hypervisor/error.hpp"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <cstring>
#include <optional>
#include <pthread.h>
#include <sched.h>
#include <time.h>
#include <utility>
#include <variant>

namespace vmm {

namespace {

bool is_synthetic(std::uint32_t msr)
{
    return msr - hv::abi::msr::first < hv::abi::msr::count;
}

/// A guest may ask for a timer period shorter than anybody can serve. It then gets this one, so that its VP still
/// makes progress between two expirations.
constexpr std::chrono::microseconds shortest_rearm{20};

std::uint64_t used_100ns(clockid_t clock)
{
    timespec used{};
    ::clock_gettime(clock, &used);
    return static_cast<std::uint64_t>(used.tv_sec) * 10'000'000 + static_cast<std::uint64_t>(used.tv_nsec) / 100;
}

std::uint64_t joined(std::uint64_t high, std::uint64_t low)
{
    return high << 32 | (low & 0xFFFF'FFFF);
}

} // namespace

VcpuThread::VcpuThread(Vcpu& vcpu, unsigned index, devices::PortBus const& ports, devices::MmioBus const& mmio,
                       Gates gates, Died died)
    : vcpu_{vcpu},
      door_{gates.entry, vcpu},
      registers_{vcpu.registers()},
      index_{index},
      ports_{ports},
      mmio_{mmio},
      gate_{gates.pause},
      died_{std::move(died)}
{}

VcpuThread::~VcpuThread()
{
    request_stop();
    join();
}

void VcpuThread::begin()
{
    thread_ = std::thread{[this] {
        devices::begin_thread(devices::ThreadRole::Vcpu, fmt::format("vcpu{}", index_).c_str());
        run_here();
    }};
}

void VcpuThread::start()
{
    started_.store(true);
    started_.notify_one();
}

void VcpuThread::stay_out()
{
    stopping_.store(true);
    kick();
}

void VcpuThread::request_stop()
{
    if (thread_.joinable()) leave_guest();
}

void VcpuThread::leave_guest()
{
    stopping_.store(true);
    vp_->requests().close(); // it may be waiting for another VP
    start();
    kick();
}

void VcpuThread::join()
{
    if (thread_.joinable()) thread_.join();
}

void VcpuThread::run_here()
{
    vcpu_.adopt_thread();
    if (::pthread_getcpuclockid(::pthread_self(), &runtime_clock_) == 0) runtime_before_ = used_100ns(runtime_clock_);
    auto const run = [this] {
        started_.wait(false);
        if (stopping_.load()) return;
        timer_ = vcpu_.make_kick_timer();
        vcpu_.leave_at_once(); // a request may have come before there was a thread to kick
        run_guest();
    };
    devices::contain(run, [this](char const* what) { die(what); });
    vp_->requests().close();
    gate_.leave();
    timer_.reset();
    injection_retry_.reset();
    vcpu_.release_thread();
}

void VcpuThread::run_guest()
{
    while (!stopping_.load(std::memory_order_relaxed)) {
        if (overdue_) [[unlikely]]
            expire_timers();
        if (injected_.waiting()) [[unlikely]] {
            inject();
            if (deadline_armed_) expire_timers(); // it may have swallowed a kick
            if (vp_->requests().waiting() || gate_.closed()) vcpu_.leave_at_once();
            if (stopping_.load()) break;
        }
        if (owner_) {
            if (owner_->suspends()) {
                wait_while_suspended();
                continue;
            }
            if (!owner_->enters()) continue;
        }
        door_.enter();
        auto const exit = vcpu_.run();
        door_.leave();
        if (auto const* const io = std::get_if<exits::PortAccess>(&exit)) [[likely]]
            answer(*io);
        else
            std::visit([this](auto const& other) { answer(other); }, exit);
    }
}

/// With the registers settled: whoever suspends it has seen to that.
void VcpuThread::wait_while_suspended()
{
    auto const may_go = [this] { return !owner_->suspends() || gate_.closed() || stopping_.load(); };
    vp_->requests().serve_until(may_go);
    if (gate_.closed()) gate_.pass(vp_->requests(), stopping_);
}

void VcpuThread::answer(exits::Interrupted)
{
    if (gate_.closed()) [[unlikely]]
        gate_.pass(vp_->requests(), stopping_);
    if (deadline_armed_) expire_timers();
    if (vp_->requests().waiting()) vp_->requests().serve();
}

void VcpuThread::answer(exits::InterruptEnded ended)
{
    if (owner_) owner_->answer(ended);
}

void VcpuThread::answer(exits::Halted halted)
{
    if (owner_) owner_->answer(halted); // else the local APIC wakes it
}

void VcpuThread::answer(exits::TripleFault fault)
{
    if (owner_) return owner_->answer(fault);
    die("triple fault", true);
}

void VcpuThread::answer(exits::Failed failed)
{
    if (owner_) return owner_->answer(failed);
    die(vcpu_.failure());
}

void VcpuThread::settle()
{
    settled_ = true;
    vcpu_.settle();
}

void VcpuThread::expire_timers()
{
    overdue_ = false;
    deadline_armed_ = false;
    expiring_ = true;
    vp_->expire_timers();
    expiring_ = false;
}

void VcpuThread::assert_auto_eoi(std::uint8_t vector)
{
    injected_.request(vector);
    kick_from_elsewhere();
}

void VcpuThread::inject_external_interrupt()
{
    injected_.request_external();
    kick_from_elsewhere();
}

void VcpuThread::kick_from_elsewhere()
{
    if (!vcpu_.is_own_thread()) vcpu_.kick();
}

/// There is no exit for "the guest takes interrupts again" with the local APIC in the kernel, so this looks again
/// soon.
void VcpuThread::inject()
{
    constexpr std::chrono::microseconds soon{100};
    if (injected_.inject(vcpu_)) return;
    if (!injection_retry_) injection_retry_ = vcpu_.make_kick_timer();
    injection_retry_->arm(soon);
}

void VcpuThread::answer(exits::PortAccess const& io)
{
    if (io.port == hv::hypercall_port_64bit || io.port == hv::hypercall_port_32bit) {
        if (vp_->partition().hypercalls_enabled() && hypercall(io)) return;
    }
    reach_devices(io);
}

void VcpuThread::reach_devices(exits::PortAccess const& io)
{
    if (owner_) return owner_->answer(io);
    auto* data = io.data;
    for (std::uint32_t i = 0; i < io.count; ++i, data += io.size) {
        std::uint32_t value = 0;
        if (io.is_write) {
            std::memcpy(&value, data, io.size);
            ports_.write(io.port, io.size, value);
        } else {
            value = ports_.read(io.port, io.size);
            std::memcpy(data, &value, io.size);
        }
    }
}

/// Whether the access was a hypercall after all. The IN or OUT is finished by the hypervisor below when the guest is
/// entered again: RIP is none of our business here.
bool VcpuThread::hypercall(exits::PortAccess const& io)
{
    if (!io.is_write && (io.port != hv::hypercall_port_64bit || io.size != sizeof(std::uint32_t))) return false;
    if (io.port == hv::hypercall_port_64bit) {
        hypercall_64bit(io.is_write ? nullptr : io.data);
    } else {
        hypercall_32bit();
    }
    return true;
}

/// The result goes to what the IN brings, if there is one and it is not over already.
void VcpuThread::hypercall_64bit(std::byte* in)
{
    settled_ = false;
    auto const result = hv::dispatch(*vp_, {hv::abi::Control{registers_.rcx}, registers_.rdx, registers_.r8});
    if (in && !settled_) [[likely]] {
        std::memcpy(in, &result, sizeof(std::uint32_t)); // little-endian
    } else {
        vcpu_.change_registers().rax = result;
    }
}

void VcpuThread::hypercall_32bit()
{
    auto const& before = registers_;
    hv::HypercallRegisters const registers{hv::abi::Control{joined(before.rdx, before.rax)},
                                           joined(before.rbx, before.rcx), joined(before.rdi, before.rsi)};
    auto const result = hv::dispatch(*vp_, registers);
    auto& regs = vcpu_.change_registers();
    regs.rax = result & 0xFFFF'FFFF;
    regs.rdx = result >> 32;
}

/// HvPostMessage and HvSignalEvent of a guest that does not go by the hypercall page: KVM takes a VMCALL, and leaves
/// these to whoever has turned its SynIC on. It brings no pages of input but by their address, and the result itself.
void VcpuThread::answer(exits::Hypercall const& call)
{
    vcpu_.finish_hypercall(hv::dispatch(*vp_, {hv::abi::Control{call.control}, call.input, call.output}));
}

void VcpuThread::answer(exits::MsrRead const& msr)
{
    if (owner_ && !is_synthetic(msr.index)) return owner_->answer(msr);
    auto const value = vp_->read_msr(msr.index);
    vcpu_.finish_msr_read(value);
    if (value) return;
    static RateLimit limit;
    if (spdlog::should_log(spdlog::level::debug))
        warn_limited(limit, "the guest read synthetic MSR {:#x}, which it is not offered", msr.index);
}

void VcpuThread::answer(exits::MsrWrite const& msr)
{
    if (owner_ && !is_synthetic(msr.index)) return owner_->answer(msr);
    auto const ok = vp_->write_msr(msr.index, msr.value);
    vcpu_.finish_msr_write(ok);
    if (ok) return;
    static RateLimit limit;
    if (spdlog::should_log(spdlog::level::debug))
        warn_limited(limit, "the guest wrote {:#x} to synthetic MSR {:#x}, which was refused", msr.value, msr.index);
}

/// Where no device is there may be RAM, which was not mapped at that moment because the machine's map changes.
void VcpuThread::answer(exits::MmioAccess const& mmio)
{
    if (owner_) return owner_->answer(mmio);
    if (mmio.is_write ? mmio_.write(mmio.address.value, mmio.data) : mmio_.read(mmio.address.value, mmio.data))
        return;
    if (auto* const ram = vp_->partition().memory().at(mmio.address, mmio.data.size())) {
        mmio.is_write ? std::memcpy(ram, mmio.data.data(), mmio.data.size())
                      : std::memcpy(mmio.data.data(), ram, mmio.data.size());
        return;
    }
    static RateLimit limit;
    if (spdlog::should_log(spdlog::level::debug))
        warn_limited(limit, "the guest {} {:#x}, where there is nothing", mmio.is_write ? "wrote to" : "read from",
                     mmio.address.value);
}

void VcpuThread::die(std::string reason, bool triple_fault)
{
    DeathReport report{index_, std::move(reason), triple_fault, registers_, std::nullopt};
    try {
        report.sregs = vcpu_.system_registers();
    } catch (HypervisorError const&) {
        // the report says what it can
    }
    stopping_.store(true);
    died_(report);
}

void VcpuThread::arm_deadline(hv::RefTime deadline)
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

void VcpuThread::disarm_deadline()
{
    overdue_ = false;
    deadline_armed_ = false;
    timer_->disarm();
}

/// Halted, the VP is woken by any interrupt that it would take. With interrupts masked it would not, so then the VP
/// only pauses: returning early is allowed, sleeping through an interrupt is not.
void VcpuThread::idle()
{
    if ((registers_.rflags & rflags::interrupts_enabled) != 0) return vcpu_.halt();
    constexpr timespec pause{0, 1'000'000};
    ::nanosleep(&pause, nullptr); // a kick ends it
}

void VcpuThread::yield()
{
    ::sched_yield();
}

std::uint64_t VcpuThread::runtime_100ns() const
{
    return used_100ns(runtime_clock_) - runtime_before_;
}

} // namespace vmm
