/// Register names and values (TLFS 2.0a 10.2.2, 10.2.3), and the two calls for them.
#pragma once

#include "hyperv/vp_calls.hpp"

namespace guest {

namespace reg {
inline constexpr u32 explicit_suspend = 0x0000'0000; ///< 10.3.1
inline constexpr u32 intercept_suspend = 0x0000'0001;
inline constexpr u32 pending_interruption = 0x0001'0002;
inline constexpr u32 pending_event0 = 0x0001'0004;
inline constexpr u32 pending_event1 = 0x0001'0005;
inline constexpr u32 rax = 0x0002'0000;
inline constexpr u32 rcx = 0x0002'0001;
inline constexpr u32 rbx = 0x0002'0003;
inline constexpr u32 rsp = 0x0002'0004;
inline constexpr u32 r12 = 0x0002'000C;
inline constexpr u32 r15 = 0x0002'000F;
inline constexpr u32 rip = 0x0002'0010;
inline constexpr u32 rflags = 0x0002'0011;
inline constexpr u32 xmm0 = 0x0003'0000;
inline constexpr u32 cr0 = 0x0004'0000;
inline constexpr u32 cr3 = 0x0004'0002;
inline constexpr u32 cr4 = 0x0004'0003;
inline constexpr u32 cr8 = 0x0004'0004;
inline constexpr u32 dr0 = 0x0005'0000;
inline constexpr u32 dr7 = 0x0005'0005;
inline constexpr u32 es = 0x0006'0000;
inline constexpr u32 cs = 0x0006'0001;
inline constexpr u32 ss = 0x0006'0002;
inline constexpr u32 ds = 0x0006'0003;
inline constexpr u32 fs = 0x0006'0004;
inline constexpr u32 tr = 0x0006'0007;
inline constexpr u32 idtr = 0x0007'0000;
inline constexpr u32 gdtr = 0x0007'0001;
inline constexpr u32 tsc = 0x0008'0000;
inline constexpr u32 efer = 0x0008'0001;
inline constexpr u32 apic_base = 0x0008'0003;
inline constexpr u32 pat = 0x0008'0004;
inline constexpr u32 lstar = 0x0008'0009;
inline constexpr u32 guest_os_id = 0x0009'0002;
inline constexpr u32 vp_index = 0x0009'0003;
inline constexpr u32 time_ref_count = 0x0009'0004;
inline constexpr u32 reference_tsc = 0x0009'0017;
inline constexpr u32 sint0 = 0x000A'0000;
inline constexpr u32 stimer0_config = 0x000B'0000;
inline constexpr u32 stimer0_count = 0x000B'0001;
} // namespace reg

struct RegisterValue {
    u64 low, high;
};

struct RegisterHeader {
    u64 partition = vp::self_partition;
    u32 vp_index = vp::self_index;
    u32 vtl_and_reserved = 0;
};
static_assert(sizeof(RegisterHeader) == 16);

/// One register of one VP, read with this processor's own input page, so that several may ask at once.
class RegisterQuery {
  public:
    RegisterQuery(u32 vp_index, u32 name, u64 partition = vp::self_partition)
        : partition_{partition}, index_{vp_index}, name_{name}
    {}

    [[nodiscard]] hv::Status make();
    [[nodiscard]] RegisterValue value() const { return value_; }

  private:
    u64 partition_;
    u32 index_;
    u32 name_;
    RegisterValue value_{};
};

hv::Status get_register(u32 vp_index, u32 name, RegisterValue& value, u64 partition = vp::self_partition);
hv::Status set_register(u32 vp_index, u32 name, RegisterValue const& value, u64 partition = vp::self_partition);

} // namespace guest
