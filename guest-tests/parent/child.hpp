/// A child that runs, in the words of a test: one partition with a few VPs, code of real mode in pages of this
/// guest's, and the messages by which it is heard of (TLFS 2.0a 8.3, 9, 10.4, 16).
#pragma once

#include "hyperv/synic.hpp"
#include "hyperv/vp_registers.hpp"
#include "parent/children.hpp"

/// What tests need whose children execute.
#define NEEDS_RUNNING_CHILDREN()                                                                                     \
    NEEDS_CHILDREN();                                                                                                \
    NEEDS(vp_registers);                                                                                             \
    NEEDS(synic);                                                                                                    \
    Synic const synic_for_intercepts

namespace guest {

namespace creation {
inline constexpr u64 exo = u64{1} << 8;
inline constexpr u64 local_apic = u64{1} << 13;
inline constexpr u64 intercept_page = u64{1} << 19;
} // namespace creation

namespace access {
inline constexpr u32 read = 1, write = 2, execute = 4 | 8, all = read | write | execute;
inline constexpr u32 none = 0x1'0000;
} // namespace access

namespace message {
inline constexpr u32 unmapped_gpa = 0x8000'0000;
inline constexpr u32 gpa_intercept = 0x8000'0001;
inline constexpr u32 unrecoverable_exception = 0x8000'0021;
inline constexpr u32 opaque = 0x8000'003F;
inline constexpr u32 io_port = 0x8001'0000;
inline constexpr u32 msr = 0x8001'0001;
inline constexpr u32 apic_eoi = 0x8001'0004;
inline constexpr u32 halt = 0x8001'0007;
} // namespace message

/// What every intercept's message begins with (HV_X64_INTERCEPT_MESSAGE_HEADER).
struct InterceptHeader {
    u32 vp_index;
    u8 length_and_cr8, access;
    u16 execution_state;
    u64 cs_base;
    u32 cs_limit;
    u16 cs_selector, cs_attributes;
    u64 rip, rflags;

    [[nodiscard]] u32 length() const { return length_and_cr8 & 0xFu; }
};
static_assert(sizeof(InterceptHeader) == 40);

struct IoPortMessage {
    InterceptHeader header;
    u16 port;
    u8 access_info, byte_count;
    u32 reserved;
    u64 rax;
    u8 bytes[16];
    u64 ds[2], es[2];
    u64 rcx, rsi, rdi;
};
static_assert(sizeof(IoPortMessage) == 128);

struct MsrMessage {
    InterceptHeader header;
    u32 msr, reserved;
    u64 rdx, rax;
};
static_assert(sizeof(MsrMessage) == 64);

struct MemoryMessage {
    InterceptHeader header;
    u32 cache_type;
    u8 byte_count, access_info, tpr, reserved;
    u64 gva, gpa;
    u8 bytes[16];
};
static_assert(sizeof(MemoryMessage) == 80);

struct MapStatePageInput { ///< HvCallMapVpStatePage
    u64 partition;
    u32 vp;
    u16 type; ///< 0 registers, 1 intercept message
    u8 vtl, flags;
    u64 location;
};
static_assert(sizeof(MapStatePageInput) == 24);

inline constexpr u64 start = page_size; ///< of a child's code, where a test does not choose another page

struct Intercepted {
    u32 type; ///< 0: none came
    u8 payload_size;
    u64 partition;
    u64 payload[30];

    template <typename Payload>
    [[nodiscard]] Payload as() const
    {
        Payload out;
        memcpy(&out, payload, sizeof out);
        return out;
    }
};

/// One that is active. Its pages of code and data are spare pages from `first_page` on; spare pages before it pay.
class Child {
  public:
    static constexpr u32 first_page = 160;

    /// By a property that grants some.
    struct Rights {
        u32 property = 0; ///< none
        u64 value = 0;
    };

    explicit Child(u64 flags, Rights const& rights);
    explicit Child(u64 flags = creation::exo) : Child{flags, Rights{}} {}

    [[nodiscard]] u64 id() const { return id_; }
    [[nodiscard]] bool ready() const { return ready_; }

    hv::Status create_vp(u32 index = 0) const;
    hv::Status delete_vp(u32 index = 0) const;

    /// The whole result values.
    u64 map(u64 base, u32 spare, u32 count, u32 flags = access::all) const;
    u64 unmap(u64 base, u32 count) const;

    /// The same with any of this guest's pages, as many as a list takes.
    u64 map_page_numbers(u64 base, u64 first, u32 count, u32 flags = access::all) const;

    hv::Status set(u32 name, u64 value, u32 vp = 0) const;
    hv::Status set(u32 name, RegisterValue const& value, u32 vp = 0) const;
    [[nodiscard]] u64 get(u32 name, u32 vp = 0) const;

    /// Puts `code` at the start of the child's page, which is one of this guest's, and has VP 0 begin there, in real
    /// mode with all segments at 0. It stays suspended.
    template <u32 size>
    [[nodiscard]] bool load(u8 const (&code)[size], u64 page = 1) const
    {
        return load(code, size, page);
    }
    /// Clears what suspends it.
    bool run(u32 vp = 0) const;
    bool resume(u32 vp = 0) const { return set(reg::intercept_suspend, 0, vp) == hv::Status::Success; }
    bool resume_at(u64 rip, u32 vp = 0) const { return set(reg::rip, rip, vp) == hv::Status::Success && resume(vp); }

  private:
    [[nodiscard]] bool load(u8 const* code, u32 size, u64 page) const;

    u64 id_ = no_partition;
    bool ready_ = false;
};

/// The next intercept's message, taken from SINT0 of this processor, whose SynIC is on.
Intercepted next_intercept(u32 milliseconds = patience_ms);
/// That none has come within a moment.
bool no_intercept();

} // namespace guest
