/// The hypercall page's code (TLFS 2.0a §4.5, §4.12), run by an interpreter of the few instructions that it uses, in
/// both modes and at every privilege level.
#include "hv/testing/catch.hpp"
#include "hv/vp/hypercall_page.hpp"

#include <optional>

using namespace hv;

namespace {

struct Outcome {
    std::optional<unsigned> port; ///< of the IN or OUT, if there was one
    bool in = false;
    std::optional<unsigned> kernel; ///< the last byte of VMCALL or VMMCALL, if there was one
    bool undefined = false;         ///< UD2
    std::uint64_t rax_at_exit = 0;
    bool returned = false;
    int stack_depth = 0; ///< words still pushed at the exit
};

/// A processor that knows PUSH/POP rAX, MOV EAX,CS, MOV RAX,RCX, CMP AX|CX,imm8, JA, VMCALL, VMMCALL, AND EAX,imm8,
/// SHR RAX,imm8, JZ, JNZ, INC, DEC, IN EAX,imm8, OUT imm8,AL, RET and UD2. Anything else ends the run with an empty
/// outcome.
class Interpreter {
  public:
    Interpreter(OverlayPage::Content const& page, bool long_mode, unsigned cpl, std::uint64_t rax,
                std::uint64_t rcx = 0)
        : page_{page}, long_mode_{long_mode}, cpl_{cpl}, rax_{rax}, rcx_{rcx}
    {}

    Outcome run()
    {
        for (unsigned steps = 0; steps < 32; ++steps) {
            auto const opcode = fetch();
            switch (opcode) {
            case 0x50:
                pushed_ = rax_;
                ++outcome_.stack_depth;
                break;
            case 0x58:
                rax_ = pushed_;
                --outcome_.stack_depth;
                break;
            case 0x8C:
                if (fetch() != 0xC8) return {};
                rax_ = 0x10U | cpl_; // MOV EAX, CS
                break;
            case 0x83:
                if (fetch() != 0xE0) return {};
                set(rax_ & fetch()); // AND EAX, imm8
                break;
            case 0x66:
                if (fetch() != 0x83) return {};
                compare(fetch()); // CMP AX or CX, imm8
                break;
            case 0x77: jump(above_); break;
            case 0x74: jump(zero_); break;
            case 0x75: jump(!zero_); break;
            case 0x48:
                if (!long_mode_) {
                    set(static_cast<std::uint32_t>(rax_ - 1)); // DEC EAX
                    break;
                }
                if (!wide(fetch())) return {};
                break;
            case 0xFF:
                if (fetch() != 0xC0) return {};
                set(static_cast<std::uint32_t>(rax_ + 1)); // INC EAX
                break;
            case 0xE5:
            case 0xE6:
                outcome_.port = fetch();
                outcome_.in = opcode == 0xE5;
                outcome_.rax_at_exit = rax_;
                break;
            case 0xC3: outcome_.returned = true; return outcome_;
            case 0x0F:
                switch (fetch()) {
                case 0x01: outcome_.kernel = fetch(); break;
                case 0x0B: outcome_.undefined = true; return outcome_;
                default: return {};
                }
                break;
            default: return {};
            }
        }
        return {};
    }

  private:
    unsigned fetch() { return std::to_integer<unsigned>(page_[at_++]); }
    /// What follows a REX.W prefix; false when that is unknown.
    [[nodiscard]] bool wide(unsigned opcode)
    {
        auto const operands = fetch();
        if (opcode == 0xFF && operands == 0xC0) {
            set(rax_ + 1); // INC RAX
        } else if (opcode == 0x89 && operands == 0xC8) {
            rax_ = rcx_; // MOV RAX, RCX
        } else if (opcode == 0xC1 && operands == 0xE8) {
            set(rax_ >> fetch()); // SHR RAX, imm8
        } else {
            return false;
        }
        return true;
    }
    void set(std::uint64_t value)
    {
        rax_ = value;
        zero_ = value == 0;
    }
    void compare(unsigned operand)
    {
        auto const value = static_cast<std::uint16_t>(operand == 0xF9 ? rcx_ : rax_);
        auto const other = fetch();
        zero_ = value == other;
        above_ = value > other;
    }
    void jump(bool taken)
    {
        auto const distance = fetch();
        if (taken) at_ += distance;
    }

    OverlayPage::Content page_;
    bool long_mode_;
    unsigned cpl_;
    std::uint64_t rax_;
    std::uint64_t rcx_;
    std::uint64_t pushed_ = 0;
    bool zero_ = false;
    bool above_ = false;
    std::size_t at_ = 0;
    Outcome outcome_;
};

} // namespace

TEST_CASE("the hypercall page tells 64-bit from 32-bit callers, and keeps EAX for these (TLFS 2.0a 4.7, 4.12)",
          "[hypercall]")
{
    auto const rax = GENERATE(std::uint64_t{0}, std::uint64_t{1}, std::uint64_t{0x8765'4321});
    auto const caller_64 = Interpreter{hypercall_page(), true, 0, rax}.run();
    CHECK(caller_64.port == 0xE6U);
    auto const caller_32 = Interpreter{hypercall_page(), false, 0, rax}.run();
    CHECK(caller_32.port == 0xE7U);
    CHECK_FALSE(caller_32.in);
    CHECK(caller_32.rax_at_exit == rax);
    for (auto const& outcome : {caller_64, caller_32}) {
        CHECK(outcome.stack_depth == 0);
        CHECK(outcome.returned);
    }
}

TEST_CASE("only a call with a repeat count needs a result of more than 32 bits (TLFS 2.0a 4.7.1, 4.8)", "[hypercall]")
{
    auto const result_by_in = [](std::uint64_t control) {
        return Interpreter{hypercall_page(), true, 0, 7, control}.run().in;
    };
    CHECK(result_by_in(0x0001'005C)); // fast
    CHECK(result_by_in(0xFFFF'FFFF));
    CHECK_FALSE(result_by_in(0x0000'0001'0000'0050)); // one register to read
    CHECK_FALSE(result_by_in(0x0FFF'0FFF'0000'0050));
}

TEST_CASE("the calls that the kernel answers go to it from both modes, with all registers, and no others do",
          "[hypercall]")
{
    using enum abi::CallCode;
    auto const instruction = GENERATE(KernelCalls::Instruction::Vmcall, KernelCalls::Instruction::Vmmcall);
    auto const opcode = instruction == KernelCalls::Instruction::Vmcall ? 0xC1U : 0xD9U; // Intel SDM, AMD APM
    auto const page = hypercall_page({instruction,
                                      {FlushVirtualAddressSpace, FlushVirtualAddressList, NotifyLongSpinWait,
                                       FlushVirtualAddressSpaceEx, FlushVirtualAddressListEx}});
    for (std::uint64_t code = 0; code < 0x1'0000; ++code) {
        auto const kernels = code == 2 || code == 3 || code == 8 || code == 0x13 || code == 0x14;
        auto const control = code | 0x0007'0001'0001'0000; // fast, and with a repeat count
        auto const caller_64 = Interpreter{page, true, 0, 7, control}.run();
        auto const caller_32 = Interpreter{page, false, 0, 0x0001'0000 | code}.run();
        INFO(code);
        REQUIRE(caller_64.kernel == (kernels ? std::optional{opcode} : std::nullopt));
        REQUIRE(caller_32.kernel == caller_64.kernel);
        REQUIRE(caller_64.port.has_value() == !kernels);
        REQUIRE(caller_32.port.has_value() == !kernels);
        REQUIRE((caller_64.returned && caller_32.returned));
        REQUIRE((caller_64.stack_depth == 0 && caller_32.stack_depth == 0));
    }
    CHECK(Interpreter{page, true, 3, 7, 2}.run().undefined);
}

TEST_CASE("the hypercall page raises #UD outside CPL 0, before any exit (TLFS 2.0a 4.5)", "[hypercall]")
{
    auto const cpl = GENERATE(1U, 2U, 3U);
    auto const long_mode = GENERATE(false, true);
    auto const outcome = Interpreter{hypercall_page(), long_mode, cpl, 7}.run();
    CHECK(outcome.undefined);
    CHECK_FALSE(outcome.port);
    CHECK(outcome.stack_depth == 0);
}

TEST_CASE("the rest of the hypercall page traps", "[hypercall]")
{
    auto const page = hypercall_page();
    for (std::size_t i = 35; i < page.size(); ++i)
        CHECK(page[i] == std::byte{0xCC});
}
