#include "vmm/vcpu/death_report.hpp"

#include "hv/abi/registers.hpp"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <vector>

namespace vmm {

namespace {

std::string segment(char const* name, Segment const& s)
{
    return fmt::format("  {} {:04x} base {:016x} limit {:08x} dpl {} {}\n", name, s.selector, s.base, s.limit,
                       s.privilege, s.long_mode ? "64-bit" : (s.default_32bit ? "32-bit" : "16-bit"));
}

/// On AMD's processors KVM resets a vCPU before it reports the triple fault (Linux arch/x86/kvm/svm/svm.c,
/// shutdown_interception): this is the state of INIT.
bool was_reset(DeathReport const& report)
{
    constexpr std::uint16_t reset_cs = 0xF000;
    constexpr std::uint64_t reset_rip = 0xFFF0;
    return report.triple_fault && report.regs.rip == reset_rip && report.sregs &&
           report.sregs->cs.selector == reset_cs;
}

/// Lines of printable ASCII, whatever the guest wrote there.
std::string printable(std::vector<char> const& text)
{
    std::string out;
    for (char const c : text) {
        if (c == '\0') break;
        out += c == '\n' || (c >= ' ' && c <= '~') ? c : '.';
    }
    return out;
}

} // namespace

std::string describe(std::string const& who, DeathReport const& report)
{
    auto const& r = report.regs;
    auto text = fmt::format("{} died: {} (vCPU {})\n", who, report.reason, report.vp);
    text += fmt::format("  rip {:016x}  rflags {:016x}\n", r.rip, r.rflags);
    text += fmt::format("  rax {:016x}  rbx {:016x}  rcx {:016x}  rdx {:016x}\n", r.rax, r.rbx, r.rcx, r.rdx);
    text += fmt::format("  rsi {:016x}  rdi {:016x}  rbp {:016x}  rsp {:016x}\n", r.rsi, r.rdi, r.rbp, r.rsp);
    text += fmt::format("  r8  {:016x}  r9  {:016x}  r10 {:016x}  r11 {:016x}\n", r.r8, r.r9, r.r10, r.r11);
    text += fmt::format("  r12 {:016x}  r13 {:016x}  r14 {:016x}  r15 {:016x}\n", r.r12, r.r13, r.r14, r.r15);
    if (report.sregs) {
        auto const& s = *report.sregs;
        text += fmt::format("  cr0 {:016x}  cr2 {:016x}  cr3 {:016x}  cr4 {:016x}  efer {:016x}\n", s.cr0, s.cr2,
                            s.cr3, s.cr4, s.efer);
        text += segment("cs", s.cs) + segment("ss", s.ss);
        text += fmt::format("  gdt base {:016x} limit {:04x}  idt base {:016x} limit {:04x}\n", s.gdt.base,
                            s.gdt.limit, s.idt.base, s.idt.limit);
    }
    if (was_reset(report))
        text += "  (those of a reset: on this processor KVM does not keep what they were at the triple fault)\n";
    return text;
}

std::string describe(std::string const& who, hv::CrashReport const& report, hv::GuestMemory const& memory)
{
    auto const& p = report.parameters;
    auto text =
        fmt::format("{} reported a crash: {:#x} {:#x} {:#x} {:#x} {:#x}\n", who, p[0], p[1], p[2], p[3], p[4]);
    if ((report.control & hv::abi::crash_message) == 0) return text;

    constexpr std::uint64_t longest = hv::page_size;
    auto const size = std::min(p[4], longest);
    if (auto const* const from = memory.at(hv::Gpa{p[3]}, size)) {
        std::vector<char> message(size);
        for (std::size_t i = 0; i < size; ++i)
            hv::copy_from_shared(&message[i], from + i, 1); // at any alignment
        text += "it left this message:\n" + printable(message);
        if (text.back() != '\n') text += '\n';
    }
    return text;
}

} // namespace vmm
