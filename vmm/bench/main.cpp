// What a VM exit to user space costs when nothing is done there, or one that the kernel deals with: the floor for
// every path that takes one. A guest that does nothing else, set up like any of Porthole's, and a loop around
// KVM_RUN. One line each: `bench NAME CYCLES`, the median of many. With --filters: what the first of them costs under
// seccomp filters instead.
#include "hv/abi/msr.hpp"
#include "vmm/bench/filters.hpp"
#include "vmm/bench/guest.h"
#include "vmm/kvm/kvm_host.hpp"
#include "vmm/kvm/kvm_ioctl.hpp"
#include "vmm/kvm/kvm_vm.hpp"
#include "vmm/memory/pc_memory.hpp"
#include "vmm/memory/vm_memory.hpp"

#include <linux/kvm.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstring>
#include <span>
#include <string_view>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>
#include <vector>

extern "C" {
extern std::byte const bench_guest_out[], bench_guest_out_end[];
extern std::byte const bench_guest_wrmsr[], bench_guest_wrmsr_end[];
extern std::byte const bench_guest_rdmsr[], bench_guest_rdmsr_end[];
extern std::byte const bench_guest_mmio[], bench_guest_mmio_end[];
extern std::byte const bench_guest_cpuid[], bench_guest_cpuid_end[];
}

namespace {

using namespace vmm;

constexpr std::uint16_t rounds = 201;
constexpr hv::Gpa code{0x1000};
constexpr hv::Gpa results{0x4000};
constexpr hv::Gpa no_memory{0xD000'0000};

struct Program {
    char const* name;
    std::span<std::byte const> image;
    std::uint32_t msr;
};

/// The vCPU's run page.
class RunPage {
  public:
    RunPage(KvmHost const& host, int vcpu_fd) : size_{host.run_page_size()}
    {
        auto* const page = ::mmap(nullptr, size_, PROT_READ | PROT_WRITE, MAP_SHARED, vcpu_fd, 0);
        if (page == MAP_FAILED) throw HypervisorError{"cannot map a vCPU's run page"};
        run_ = static_cast<kvm_run*>(page);
    }
    RunPage(RunPage const&) = delete;
    RunPage& operator=(RunPage const&) = delete;
    ~RunPage() { ::munmap(run_, size_); }

    [[nodiscard]] kvm_run& operator*() const { return *run_; }

  private:
    std::size_t const size_;
    kvm_run* run_;
};

void enter_real_mode(int vcpu_fd, Program const& program)
{
    kvm_sregs sregs{};
    kvm_ioctl(vcpu_fd, KVM_GET_SREGS, &sregs, "the registers of a vCPU");
    sregs.cs.base = 0;
    sregs.cs.selector = 0;
    sregs.gs.base = no_memory.value;
    kvm_ioctl(vcpu_fd, KVM_SET_SREGS, &sregs, "the boot state of a vCPU");

    kvm_regs regs{};
    regs.rflags = 2; // the bit that is always set
    regs.rip = code.value;
    regs.rcx = program.msr;
    regs.rdi = results.value;
    regs.rsi = rounds;
    kvm_ioctl(vcpu_fd, KVM_SET_REGS, &regs, "the boot registers of a vCPU");
}

void run(int vcpu_fd, kvm_run& run)
{
    run.kvm_valid_regs = KVM_SYNC_X86_REGS;
    for (;;) {
        if (::ioctl(vcpu_fd, KVM_RUN, 0) != 0) {
            if (errno == EINTR) continue;
            throw HypervisorError{"KVM_RUN failed"};
        }
        switch (run.exit_reason) {
        case KVM_EXIT_IO:
            if (run.io.port == end_port) return;
            break;
        case KVM_EXIT_MMIO: break;
        case KVM_EXIT_X86_RDMSR:
        case KVM_EXIT_X86_WRMSR: run.msr.error = 0; break;
        default: throw HypervisorError{"KVM stopped the guest for an unexpected reason"};
        }
    }
}

std::uint32_t median_cycles(KvmHost const& host, Program const& program)
{
    PcMemory ram{MemoryLayout{layout::min_memory}};
    KvmVm vm{host, {}};
    EntryGate gate;
    VmMemory const vm_memory{vm, ram.space(), gate};
    UniqueFd const vcpu{kvm_ioctl(vm.fd(), KVM_CREATE_VCPU, "a vCPU")};
    RunPage const page{host, vcpu.get()};

    std::memcpy(ram.memory().at(code, program.image.size()), program.image.data(), program.image.size());
    enter_real_mode(vcpu.get(), program);
    run(vcpu.get(), *page);

    std::array<std::uint32_t, rounds> cycles{};
    std::memcpy(cycles.data(), ram.memory().at(results, sizeof cycles), sizeof cycles);
    auto const median = cycles.begin() + rounds / 2;
    std::ranges::nth_element(cycles, median);
    return *median;
}

constexpr int failed = 2;

/// `measure` in a process of its own, since filters stay. Its status.
template <typename Measure>
int in_child(Measure measure)
{
    auto const child = ::fork();
    if (child == 0) {
        auto const status = measure();
        std::fflush(stdout);
        ::_exit(status);
    }
    int status = 0;
    if (child < 0 || ::waitpid(child, &status, 0) != child || !WIFEXITED(status)) return failed;
    return WEXITSTATUS(status);
}

int measure_filters(Program const& program)
{
    using bench::Filter;
    struct Row {
        char const* name;
        std::vector<Filter> filters;
    };
    Row const rows[]{{"no_filter", {}},
                     {"cached_filter", {Filter::Cached}},
                     {"request_filter", {Filter::Request}},
                     {"two_request_filters", {Filter::Request, Filter::Request}}};
    for (auto const& [name, filters] : rows) {
        auto const status = in_child([&] {
            auto const host = KvmHost::open();
            std::ranges::for_each(filters, bench::load);
            std::printf("bench %s %u\n", name, median_cycles(host, program));
            return 0;
        });
        if (status != 0) return status;
    }
    return 0;
}

} // namespace

int main(int argc, char** argv)
{
    Program const programs[]{
        {"bare_out", {bench_guest_out, bench_guest_out_end}, 0},
        {"bare_wrmsr", {bench_guest_wrmsr, bench_guest_wrmsr_end}, hv::abi::msr::eom},
        {"bare_rdmsr", {bench_guest_rdmsr, bench_guest_rdmsr_end}, hv::abi::msr::time_ref_count},
        {"bare_mmio", {bench_guest_mmio, bench_guest_mmio_end}, 0},
        {"bare_cpuid", {bench_guest_cpuid, bench_guest_cpuid_end}, 0},
    };
    try {
        if (argc > 1 && std::string_view{argv[1]} == "--filters") return measure_filters(programs[0]);
        auto const host = KvmHost::open();
        for (auto const& program : programs)
            std::printf("bench %s %u\n", program.name, median_cycles(host, program));
    } catch (std::exception const& e) {
        std::fprintf(stderr, "bare_exit: %s\n", e.what());
        return failed;
    }
}
