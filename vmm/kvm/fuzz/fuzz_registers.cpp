/// A vCPU's registers and MSRs by the names that hypercalls have for them, its start-up, and the interrupts that are
/// injected into it, above a kernel that has any state, refuses at any time, and checks what it is given.
///
/// The kernel is ioctl(2) itself, which is replaced in this program. The input is a list of steps. The first byte
/// says what (modulo 8), numbers called "value" are Input::value's:
///   0  a register is read: group and place in it (its name is group << 16 | place)
///   1  a register is written: group (with bit 7, as by the parent of a child), place, and two values, the low half
///      and the high one
///   2  the VP is started: place in the context (modulo 28) and what to XOR its 64 bits with, a value, so often
///   (modulo
///      8)
///   3  the guest has changed its state: which (modulo 5: system registers, general ones, events, local APIC, XSAVE),
///      offset, a value, and the bytes there: length, a value, and they
///   4  the kernel refuses once, after so many calls (1 byte)
///   5  the kernel knows an MSR from now on (even), or does not: 1 byte; its number, a value, or 0: the processor has
///      XSAVE, or has not
///   6  a vector (1 byte) is to be injected, or (even) the external one is asserted: 1 byte before it says
///   7  what waits is injected
#include "hv/abi/register_name.hpp"
#include "hv/fuzz/input.hpp"
#include "hv/fuzz/play.hpp"
#include "vmm/kvm/injection.hpp"
#include "vmm/kvm/register_groups.hpp"
#include "vmm/kvm/state_cache.hpp"
#include "vmm/kvm/vcpu_registers.hpp"
#include "vmm/vcpu/injected_interrupts.hpp"

#include <linux/kvm.h>

#include <array>
#include <bit>
#include <cerrno>
#include <cstdarg>
#include <cstring>
#include <memory>
#include <set>
#include <sys/ioctl.h>

using hv::Status;
using hv::abi::InitialVpContext;
using hv::abi::RegisterName;
using hv::abi::RegisterValue;
using hv::fuzz::Input;
using hv::fuzz::require;

namespace {

constexpr int vcpu_fd = 1 << 20; ///< no descriptor of this process
constexpr std::array<std::uint32_t, 12> msrs{0x10,  0x48,  0x174,       0x175,       0x176,       0x277,
                                             0x1D9, 0x2FF, 0xC000'0081, 0xC000'0082, 0xC000'0102, 0xC000'0103};

bool canonical(std::uint64_t address)
{
    auto const top = address >> 56;
    return top == 0 || top == 0xFF; // whatever the paging mode
}

/// What a vCPU has in the kernel.
struct Vcpu {
    kvm_sregs system{};
    kvm_regs general{};
    kvm_debugregs debug{};
    kvm_vcpu_events events{};
    kvm_lapic_state apic{};
    kvm_mp_state mp{};
    kvm_xcrs xcrs{.nr_xcrs = 1, .flags = 0, .xcrs = {{0, 0, 1}}, .padding = {}};
    std::array<std::uint8_t, 4096> xsave{};
    std::array<std::uint64_t, msrs.size()> values{};
    std::set<std::uint32_t> unknown{};
};

/// Which state a request is about, and whether it changes it.
class Kernel {
  public:
    Vcpu vcpu;
    unsigned refuses_after = ~0U;

    int answer(unsigned long request, void* argument)
    {
        if (refuses_after != ~0U && refuses_after-- == 0) {
            errno = EINVAL;
            return -1;
        }
        switch (_IOC_NR(request)) {
        case _IOC_NR(KVM_RUN): errno = EINTR; return -1; // for the exit to be completed
        case _IOC_NR(KVM_SET_REGS): return take(vcpu.general, argument);
        case _IOC_NR(KVM_GET_SREGS): return give(vcpu.system, argument);
        case _IOC_NR(KVM_SET_SREGS):
            check(*static_cast<kvm_sregs const*>(argument));
            return take(vcpu.system, argument);
        case _IOC_NR(KVM_GET_DEBUGREGS): return give(vcpu.debug, argument);
        case _IOC_NR(KVM_SET_DEBUGREGS): return take(vcpu.debug, argument);
        case _IOC_NR(KVM_GET_VCPU_EVENTS): return give(vcpu.events, argument);
        case _IOC_NR(KVM_SET_VCPU_EVENTS):
            check(*static_cast<kvm_vcpu_events const*>(argument));
            return take(vcpu.events, argument);
        case _IOC_NR(KVM_GET_LAPIC): return give(vcpu.apic, argument);
        case _IOC_NR(KVM_GET_MP_STATE): return give(vcpu.mp, argument);
        case _IOC_NR(KVM_SET_MP_STATE): return take(vcpu.mp, argument);
        case _IOC_NR(KVM_GET_XCRS): return give(vcpu.xcrs, argument);
        case _IOC_NR(KVM_SET_XCRS): return take(vcpu.xcrs, argument);
        case 0xA4: // KVM_GET_XSAVE, KVM_SET_XSAVE, KVM_GET_XSAVE2, whose numbers C++ gets wrong
        case 0xCF: return give(vcpu.xsave, argument);
        case 0xA5: return take(vcpu.xsave, argument);
        case 0x88: return msr(argument, false);
        case 0x89: return msr(argument, true);
        default: require(false, "a call that nobody expects"); return -1;
        }
    }

  private:
    template <typename State>
    static int give(State const& state, void* argument)
    {
        std::memcpy(argument, &state, sizeof state);
        return 0;
    }
    template <typename State>
    static int take(State& state, void const* argument)
    {
        std::memcpy(&state, argument, sizeof state);
        return 0;
    }

    /// One entry, behind the count.
    int msr(void* argument, bool is_set)
    {
        struct List {
            std::uint64_t count;
            kvm_msr_entry entry;
        };
        auto& list = *static_cast<List*>(argument);
        require(list.count == 1, "one MSR at a time");
        auto const found = std::find(msrs.begin(), msrs.end(), list.entry.index);
        if (found == msrs.end() || vcpu.unknown.contains(*found)) return 0;
        auto& value = vcpu.values[static_cast<std::size_t>(found - msrs.begin())];
        if (!is_set)
            list.entry.data = value;
        else
            value = list.entry.data;
        return 1;
    }

    /// What keeps a processor from entering a guest, and older kernels do not look at (Intel SDM vol. 3 §27.3.1).
    static void check(kvm_sregs const& s)
    {
        require(s.cr0 >> 32 == 0, "CR0 has 32 bits");
        bool const paging = (s.cr0 & 1U << 31) != 0;
        require(!paging || (s.cr0 & 1) != 0, "paging wants protection");
        require(((s.efer & 1U << 10) != 0) == (paging && (s.efer & 1U << 8) != 0), "LMA follows from LME and PG");
        require(s.cr8 <= 15, "CR8 has four bits");
    }
    static void check(kvm_vcpu_events const& events)
    {
        auto const injected = events.exception.injected + events.nmi.injected + events.interrupt.injected;
        require(injected <= 1, "one event at a time is injected");
        if (events.exception.injected) require(events.exception.nr < 32 && events.exception.nr != 2, "an exception");
    }
};

Kernel* kernel = nullptr;

} // namespace

/// Stands for the C library's. Nothing else here asks for one.
extern "C" int ioctl(int fd, unsigned long request, ...) noexcept
{
    std::va_list list;
    va_start(list, request);
    auto* const argument = va_arg(list, void*);
    va_end(list);
    require(fd == vcpu_fd && kernel, "only the vCPU is asked");
    return kernel->answer(request, argument);
}

namespace {

/// The vCPU as what is injected sees it.
class Target final : public vmm::InjectionTarget {
  public:
    explicit Target(kvm_run& run) : run_{run} {}

    [[nodiscard]] std::optional<vmm::InterruptWindow> interrupt_window() override
    {
        return vmm::injection::window(vcpu_fd, run_, events_);
    }
    [[nodiscard]] bool inject_past_apic(std::uint8_t vector) override
    {
        return vmm::injection::inject(vcpu_fd, events_, vector);
    }

  private:
    kvm_run& run_;
    kvm_vcpu_events events_{};
};

class World {
  public:
    World()
    {
        kernel = &kernel_;
        kernel_.vcpu.mp.mp_state = KVM_MP_STATE_UNINITIALIZED;
        injected_.attach(external_);
    }
    World(World const&) = delete;
    World& operator=(World const&) = delete;
    ~World() { kernel = nullptr; }

    void step(Input& input)
    {
        switch (input.below(8)) {
        case 0: {
            (void)registers_.get(any_name(input));
            break;
        }
        case 1: set(input); break;
        case 2: start(input); break;
        case 3:
            system_.forget();
            change_state(input);
            break;
        case 4: kernel_.refuses_after = input.byte(); break;
        case 5: {
            bool const known = input.byte() % 2 == 0;
            auto const msr = static_cast<std::uint32_t>(input.value());
            if (msr == 0) {
                have_xsave(known);
                break;
            }
            if (std::find(msrs.begin(), msrs.end(), msr) == msrs.end()) break; // none that it ever knew
            if (known)
                kernel_.vcpu.unknown.erase(msr);
            else
                kernel_.vcpu.unknown.insert(msr);
            break;
        }
        case 6: request(input); break;
        default: inject(); break;
        }
    }

    void end() {}

  private:
    static RegisterName any_name(Input& input)
    {
        auto const group = input.byte();
        return RegisterName{static_cast<std::uint32_t>(group) << 16 | input.byte()};
    }

    /// Without it there is x87 alone, as after a reset: whoever sets all registers need not know.
    void have_xsave(bool yes)
    {
        kernel_.vcpu.xcrs.nr_xcrs = yes ? 1 : 0;
        if (yes || kernel_.refuses_after != ~0U) return;
        require(registers_.set(RegisterName::Xfem, {1, 0}) == Status::Success, "x87 is there without XSAVE");
        require(registers_.set(RegisterName::Xfem, {3, 0}) == Status::InvalidRegisterValue, "and nothing else");
        require(registers_.get(RegisterName::Xfem)->low == 1, "x87 is what there is");
    }

    /// Bytes of the state before and after: what is refused has changed nothing.
    [[nodiscard]] Vcpu snapshot() const { return kernel_.vcpu; }
    static bool same(Vcpu const& a, Vcpu const& b)
    {
        auto const equal = [](auto const& x, auto const& y) { return std::memcmp(&x, &y, sizeof x) == 0; };
        return equal(a.system, b.system) && equal(a.general, b.general) && equal(a.debug, b.debug) &&
               equal(a.events, b.events) && equal(a.mp, b.mp) && equal(a.xcrs, b.xcrs) && a.xsave == b.xsave &&
               a.values == b.values;
    }

    void set(Input& input)
    {
        constexpr std::uint32_t by_parent = 1U << 23;
        auto const number = static_cast<std::uint32_t>(any_name(input));
        RegisterName const name{number & ~by_parent};
        auto const& registers = (number & by_parent) != 0 ? childs_ : registers_;
        RegisterValue const wanted{input.value(), input.value()};
        auto const before = snapshot();
        bool const refusing = kernel_.refuses_after != ~0U;
        auto const status = registers.set(name, wanted);
        if (status != Status::Success) {
            require(same(before, kernel_.vcpu), "a register that cannot be set stays as it was");
            return;
        }
        if (refusing) return;
        auto const back = registers.get(name);
        require(bool{back}, "what could be set can be read");
        auto const group = static_cast<std::uint32_t>(name) >> 16;
        bool const is_word = group == 0x2 || group == 0x4 || group == 0x5;
        if (is_word)
            require(back->low == wanted.low && back->high == wanted.high, "a register keeps what it was given");
    }

    void start(Input& input)
    {
        InitialVpContext context{};
        context.rflags = 2;
        context.pat = 0x0007'0406'0007'0406;
        context.cs.attributes = 0x209B;
        auto words = std::bit_cast<std::array<std::uint64_t, sizeof context / 8>>(context);
        for (auto changes = input.below(8); changes > 0; --changes) {
            auto const place = input.below(words.size());
            words[place] ^= input.value();
        }
        context = std::bit_cast<InitialVpContext>(words);
        auto const before = snapshot();
        bool const refusing = kernel_.refuses_after != ~0U;
        auto const status = registers_.start(context);
        if (status == Status::Success) {
            require(kernel_.vcpu.mp.mp_state == KVM_MP_STATE_RUNNABLE, "a VP that was started runs");
            require(kernel_.vcpu.general.rip == context.rip && canonical(context.rip), "and runs where it should");
            require(before.mp.mp_state == KVM_MP_STATE_UNINITIALIZED ||
                        before.mp.mp_state == KVM_MP_STATE_INIT_RECEIVED,
                    "only a VP that waits is started");
        } else if (!refusing) {
            require(same(before, kernel_.vcpu), "a VP that cannot be started stays as it was");
        }
    }

    /// Not what the kernel itself keeps in order.
    void change_state(Input& input)
    {
        auto const which = input.below(5);
        auto const offset = input.value();
        auto const bytes = input.counted_bytes();
        auto const change = [&](auto& state) {
            auto const at = offset % sizeof state;
            std::memcpy(reinterpret_cast<std::byte*>(&state) + at, bytes.data(),
                        std::min(bytes.size(), sizeof state - at));
        };
        auto& vcpu = kernel_.vcpu;
        switch (which) {
        case 0: {
            auto wanted = vcpu.system;
            change(wanted);
            vcpu.system.cr4 = wanted.cr4;
            vcpu.system.cs = wanted.cs;
            vcpu.system.gdt = wanted.gdt;
            break;
        }
        case 1: change(run_->s.regs.regs); break;
        case 2: {
            change(vcpu.events);
            // A kernel tells of one at most.
            vcpu.events.exception.injected &= 1;
            vcpu.events.nmi.injected &= vcpu.events.exception.injected ? 0 : 1;
            vcpu.events.interrupt.injected &= vcpu.events.exception.injected || vcpu.events.nmi.injected ? 0 : 1;
            if (vcpu.events.exception.injected) vcpu.events.exception.nr = 13;
            break;
        }
        case 3: change(vcpu.apic); break;
        default: change(vcpu.xsave); break;
        }
    }

    void request(Input& input)
    {
        bool const external = input.byte() % 2 == 0;
        auto const vector = input.byte();
        if (external) {
            (void)external_.request(vector);
            injected_.request_external();
        } else {
            injected_.request(vector);
        }
    }

    void inject()
    {
        if (!injected_.waiting()) return;
        auto const before = snapshot();
        auto const none_left = injected_.inject(target_);
        auto const& after = kernel_.vcpu.events;
        if (before.events.interrupt.injected)
            require(after.interrupt.injected && after.interrupt.nr == before.events.interrupt.nr,
                    "what is on its way is not replaced");
        (void)none_left;
    }

    Kernel kernel_;
    std::unique_ptr<kvm_run> run_ = std::make_unique<kvm_run>();
    vmm::StateCache system_;
    vmm::VcpuRegisters registers_{vcpu_fd, *run_, system_};
    vmm::register_groups::StagedSystem staged_;
    vmm::VcpuRegisters childs_{vcpu_fd, *run_, system_, &staged_};
    Target target_{*run_};
    hv::ExternalInterrupt external_;
    vmm::InjectedInterrupts injected_;
};

} // namespace

extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* data, std::size_t size);

extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* data, std::size_t size)
{
    Input input{{data, size}};
    World world;
    return hv::fuzz::play(world, input);
}
