#include "hv/vp/hypercall_page.hpp"

#include <algorithm>
#include <initializer_list>
#include <vector>

namespace hv {

namespace {

constexpr unsigned int3 = 0xCC;
constexpr unsigned jz = 0x74;
constexpr unsigned jnz = 0x75;
constexpr unsigned ja = 0x77;

/// The 16-bit register that has the call code, as an operand of CMP r16, imm8.
enum class CodeRegister : unsigned { Ax = 0xF8, Cx = 0xF9 };

/// A place that short jumps lead to, from before it.
using Label = std::vector<std::size_t>;

class Assembler {
  public:
    void add(std::initializer_list<unsigned> bytes)
    {
        for (auto const byte : bytes)
            page_[at_++] = std::byte(byte);
    }
    void jump(unsigned opcode, Label& to)
    {
        add({opcode, int3});
        to.push_back(at_);
    }
    void place(Label const& label)
    {
        for (auto const from : label)
            page_[from - 1] = std::byte(at_ - from);
    }
    void compare(CodeRegister with, abi::CallCode code)
    {
        add({0x66, 0x83, static_cast<unsigned>(with), static_cast<unsigned>(code)});
    }
    [[nodiscard]] OverlayPage::Content const& page() const { return page_; }

  private:
    OverlayPage::Content page_ = filled();
    std::size_t at_ = 0;

    static OverlayPage::Content filled()
    {
        OverlayPage::Content page;
        page.fill(std::byte{int3});
        return page;
    }
};

/// Porthole's own calls, which matter most, have the higher codes: they pass after one comparison.
void branch_to_kernel(Assembler& out, KernelCalls const& kernel, CodeRegister code, Label& to)
{
    if (kernel.codes.empty()) return;
    Label ours;
    out.compare(code, std::ranges::max(kernel.codes));
    out.jump(ja, ours);
    for (auto const call : kernel.codes) {
        out.compare(code, call);
        out.jump(jz, to);
    }
    out.place(ours);
}

} // namespace

/// One exit, and no ioctl to learn who calls: the page itself finds out what would otherwise need the segment
/// registers. A caller outside CPL 0 gets #UD. A 32-bit caller is told from a 64-bit one by 48 FF C0, which is INC
/// RAX in 64-bit mode, and DEC EAX; INC EAX in 32-bit mode. EAX is half of a 32-bit caller's input value, and as it
/// was when the exit comes. A 64-bit caller's result has something in its upper half only after a call with a repeat
/// count, and comes back as the value of an IN from all others: KVM puts that into RAX at a fraction of what it costs
/// to change a register.
OverlayPage::Content hypercall_page(KernelCalls const& kernel)
{
    Assembler out;
    Label not_cpl0;
    Label caller_is_32bit;
    Label repeats;
    Label to_kernel;

    out.add({0x50});             // push rax
    out.add({0x8C, 0xC8});       // mov eax, cs
    out.add({0x83, 0xE0, 0x03}); // and eax, 3
    out.jump(jnz, not_cpl0);
    out.add({0x48, 0xFF, 0xC0}); // inc rax | dec eax; inc eax
    out.add({0x58});             // pop rax
    out.jump(jz, caller_is_32bit);

    branch_to_kernel(out, kernel, CodeRegister::Cx, to_kernel);
    out.add({0x48, 0x89, 0xC8});       // mov rax, rcx
    out.add({0x48, 0xC1, 0xE8, 0x20}); // shr rax, 32
    out.jump(jnz, repeats);
    out.add({0xE5, hypercall_port_64bit, 0xC3}); // in eax, imm8; ret
    out.place(repeats);
    out.add({0xE6, hypercall_port_64bit, 0xC3}); // out imm8, al; ret

    out.place(caller_is_32bit);
    branch_to_kernel(out, kernel, CodeRegister::Ax, to_kernel);
    out.add({0xE6, hypercall_port_32bit, 0xC3}); // out imm8, al; ret

    out.place(not_cpl0);
    out.add({0x58});       // pop rax
    out.add({0x0F, 0x0B}); // ud2

    if (to_kernel.empty()) return out.page();
    out.place(to_kernel);
    out.add({0x0F, 0x01, kernel.instruction == KernelCalls::Instruction::Vmcall ? 0xC1U : 0xD9U}); // vmcall | vmmcall
    out.add({0xC3});                                                                               // ret
    return out.page();
}

} // namespace hv
