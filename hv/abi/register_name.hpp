/// HV_REGISTER_NAME and HV_REGISTER_VALUE of x64 (TLFS 2.0a §10.2.2–10.3.6, 6.0b §7.3; the newest data-types pages).
/// Where 2.0a and later texts give a segment register different layouts, this is the later one.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

namespace hv::abi {

/// Of a run of registers only the first is named.
enum class RegisterName : std::uint32_t {
    ExplicitSuspend = 0x0000'0000, ///< these two of a VP that its parent runs (2.0a §10.3.1)
    InterceptSuspend = 0x0000'0001,

    HypervisorVersion = 0x0000'0100,
    PrivilegesAndFeaturesInfo = 0x0000'0200,
    FeaturesInfo = 0x0000'0201,
    ImplementationLimitsInfo = 0x0000'0202,
    HardwareFeaturesInfo = 0x0000'0203,
    GuestCrashP0 = 0x0000'0210,
    GuestCrashCtl = 0x0000'0215,

    PendingInterruption = 0x0001'0002,
    InterruptState = 0x0001'0003,
    PendingEvent0 = 0x0001'0004,
    PendingEvent1 = 0x0001'0005,

    Rax = 0x0002'0000,
    Rsp = 0x0002'0004,
    R15 = 0x0002'000F,
    Rip = 0x0002'0010,
    Rflags = 0x0002'0011,

    Xmm0 = 0x0003'0000,
    Xmm15 = 0x0003'000F,
    FpMmx0 = 0x0003'0010,
    FpMmx7 = 0x0003'0017,
    FpControlStatus = 0x0003'0018,
    XmmControlStatus = 0x0003'0019,

    Cr0 = 0x0004'0000,
    Cr2 = 0x0004'0001,
    Cr3 = 0x0004'0002,
    Cr4 = 0x0004'0003,
    Cr8 = 0x0004'0004,
    Xfem = 0x0004'0005,

    Dr0 = 0x0005'0000,
    Dr3 = 0x0005'0003,
    Dr6 = 0x0005'0004,
    Dr7 = 0x0005'0005,

    Es = 0x0006'0000,
    Cs = 0x0006'0001,
    Ss = 0x0006'0002,
    Ds = 0x0006'0003,
    Fs = 0x0006'0004,
    Gs = 0x0006'0005,
    Ldtr = 0x0006'0006,
    Tr = 0x0006'0007,

    Idtr = 0x0007'0000,
    Gdtr = 0x0007'0001,

    Tsc = 0x0008'0000,
    Efer = 0x0008'0001,
    KernelGsBase = 0x0008'0002,
    ApicBase = 0x0008'0003,
    Pat = 0x0008'0004,
    SysenterCs = 0x0008'0005,
    SysenterEip = 0x0008'0006,
    SysenterEsp = 0x0008'0007,
    Star = 0x0008'0008,
    Lstar = 0x0008'0009,
    Cstar = 0x0008'000A,
    Sfmask = 0x0008'000B,
    InitialApicId = 0x0008'000C,
    MtrrCap = 0x0008'000D,
    MtrrDefType = 0x0008'000E,
    MtrrPhysBase0 = 0x0008'0010,
    MtrrPhysBaseF = 0x0008'001F,
    MtrrPhysMask0 = 0x0008'0040,
    MtrrPhysMaskF = 0x0008'004F,
    MtrrFix64k00000 = 0x0008'0070,
    MtrrFix16k80000 = 0x0008'0071,
    MtrrFix16kA0000 = 0x0008'0072,
    MtrrFix4kC0000 = 0x0008'0073,
    MtrrFix4kF8000 = 0x0008'007A,
    TscAux = 0x0008'007B,
    DebugCtl = 0x0008'007D,
    SpecCtrl = 0x0008'0084,
    TsxCtrl = 0x0008'0088,
    Xss = 0x0008'008B,
    TscAdjust = 0x0008'0096,
    MiscEnable = 0x0008'00A0,

    VpRuntime = 0x0009'0000,
    Hypercall = 0x0009'0001, ///< 2.0a only
    GuestOsId = 0x0009'0002,
    VpIndex = 0x0009'0003,
    TimeRefCount = 0x0009'0004,
    VpAssistPage = 0x0009'0013,
    ReferenceTsc = 0x0009'0017,

    Sint0 = 0x000A'0000,
    Sint15 = 0x000A'000F,
    Scontrol = 0x000A'0010,
    Sversion = 0x000A'0011,
    Siefp = 0x000A'0012,
    Simp = 0x000A'0013,
    Eom = 0x000A'0014,
    Sirbp = 0x000A'0015,

    Stimer0Config = 0x000B'0000,
    Stimer3Count = 0x000B'0007,
};

/// How far `name` is behind the first register of its run.
[[nodiscard]] constexpr std::uint32_t distance(RegisterName first, RegisterName name)
{
    return static_cast<std::uint32_t>(name) - static_cast<std::uint32_t>(first);
}

/// Values that need less than 128 bits are zero-extended.
struct RegisterValue {
    std::uint64_t low;
    std::uint64_t high;

    friend constexpr bool operator==(RegisterValue const&, RegisterValue const&) = default;
};
static_assert(sizeof(RegisterValue) == 16);

/// HV_X64_SEGMENT_REGISTER. Attributes as in a descriptor: type in bits 3:0, S 4, DPL 6:5, P 7, AVL 12, L 13, D/B 14,
/// G 15; bits 11:8 are reserved.
struct SegmentRegister {
    std::uint64_t base;
    std::uint32_t limit;
    std::uint16_t selector;
    std::uint16_t attributes;
};
static_assert(sizeof(SegmentRegister) == 16 && offsetof(SegmentRegister, attributes) == 14);

/// HV_X64_TABLE_REGISTER.
struct TableRegister {
    std::array<std::uint16_t, 3> padding;
    std::uint16_t limit;
    std::uint64_t base;
};
static_assert(sizeof(TableRegister) == 16 && offsetof(TableRegister, limit) == 6);

/// HV_X64_FP_CONTROL_STATUS_REGISTER; the tag word is FXSAVE's.
struct FpControlStatus {
    std::uint16_t control;
    std::uint16_t status;
    std::uint8_t tag;
    std::uint8_t reserved;
    std::uint16_t last_opcode;
    std::uint64_t last_rip;
};
static_assert(sizeof(FpControlStatus) == 16);

/// HV_X64_XMM_CONTROL_STATUS_REGISTER.
struct XmmControlStatus {
    std::uint64_t last_rdp;
    std::uint32_t mxcsr;
    std::uint32_t mxcsr_mask;
};
static_assert(sizeof(XmmControlStatus) == 16);

/// HV_X64_PENDING_INTERRUPTION_REGISTER (2.0a §10.3.4).
struct PendingInterruption {
    enum class Type : unsigned { Interrupt = 0, Nmi = 2, Exception = 3 };

    std::uint16_t flags; ///< bit 0 pending, 3:1 type, 4 deliver the error code
    std::uint16_t vector;
    std::uint32_t error_code;
};
static_assert(sizeof(PendingInterruption) == 8);

/// HV_X64_PENDING_EXCEPTION_EVENT, of which the TLFS has the name alone; the layout is Linux's
/// (include/hyperv/hvhdk.h) and OpenVMM's (hvdef).
struct PendingEvent {
    std::uint16_t flags; ///< bit 0 pending, 3:1 type (0), 8 deliver the error code
    std::uint16_t vector;
    std::uint32_t error_code;
    std::uint64_t parameter; ///< CR2 of a page fault, DR6 of a debug exception
};
static_assert(sizeof(PendingEvent) == 16);

/// HV_INITIAL_VP_CONTEXT (6.0b §7.10.3).
struct InitialVpContext {
    std::uint64_t rip;
    std::uint64_t rsp;
    std::uint64_t rflags;
    SegmentRegister cs, ds, es, fs, gs, ss, tr, ldtr;
    TableRegister idtr, gdtr;
    std::uint64_t efer;
    std::uint64_t cr0;
    std::uint64_t cr3;
    std::uint64_t cr4;
    std::uint64_t pat;
};
static_assert(sizeof(InitialVpContext) == 224 && offsetof(InitialVpContext, efer) == 184);

} // namespace hv::abi
