#include "hv/partition/intercept_message.hpp"

#include <bit>
#include <cstring>

namespace hv {

namespace {

using abi::RegisterName;

std::uint64_t word(VirtualProcessor& vp, RegisterName name)
{
    auto const value = vp.get_register(name);
    return value ? value->low : 0;
}

abi::SegmentRegister segment(VirtualProcessor& vp, RegisterName name)
{
    auto const value = vp.get_register(name);
    return value ? std::bit_cast<abi::SegmentRegister>(*value) : abi::SegmentRegister{};
}

/// Names of runs have the order of instruction encodings.
RegisterName behind(RegisterName first, std::uint32_t n)
{
    return static_cast<RegisterName>(static_cast<std::uint32_t>(first) + n);
}

constexpr std::uint32_t rcx = 1;
constexpr std::uint32_t rdx = 2;
constexpr std::uint32_t rsi = 6;
constexpr std::uint32_t rdi = 7;

/// §16.2.3. Real mode has CPL 0, and virtual-8086 mode 3; SS tells both, and all others.
std::uint16_t execution_state(VirtualProcessor& vp)
{
    constexpr std::uint64_t cr0_pe = 1U << 0;
    constexpr std::uint64_t cr0_am = 1U << 18;
    constexpr std::uint64_t efer_lma = 1U << 10;
    constexpr std::uint64_t dr7_enabled = 0xFF;
    constexpr unsigned dpl_shift = 5;
    auto const cr0 = word(vp, RegisterName::Cr0);
    auto const ss = segment(vp, RegisterName::Ss);
    auto state = (cr0 & cr0_pe) != 0 ? ss.attributes >> dpl_shift & 3 : 0;
    if ((cr0 & cr0_pe) != 0) state |= abi::execution_state::cr0_pe;
    if ((cr0 & cr0_am) != 0) state |= abi::execution_state::cr0_am;
    if ((word(vp, RegisterName::Efer) & efer_lma) != 0) state |= abi::execution_state::efer_lma;
    if ((word(vp, RegisterName::Dr7) & dr7_enabled) != 0) state |= abi::execution_state::debug_active;
    if ((word(vp, RegisterName::PendingInterruption) & 1) != 0) state |= abi::execution_state::interruption_pending;
    if ((word(vp, RegisterName::InterruptState) & 1) != 0) state |= abi::execution_state::interrupt_shadow;
    return static_cast<std::uint16_t>(state);
}

abi::InterceptHeader header_of(VirtualProcessor& vp, Intercept const& intercept)
{
    constexpr unsigned cr8_shift = 4;
    auto const cr8 = word(vp, RegisterName::Cr8) & 0xF;
    return {.vp_index = vp.index().value,
            .length_and_cr8 = static_cast<std::uint8_t>((intercept.instruction_length & 0xF) | cr8 << cr8_shift),
            .access = intercept.access,
            .execution_state = execution_state(vp),
            .cs = segment(vp, RegisterName::Cs),
            .rip = word(vp, RegisterName::Rip),
            .rflags = word(vp, RegisterName::Rflags)};
}

template <typename Payload>
abi::Message message_of(abi::MessageType type, Payload const& payload)
{
    abi::Message message{};
    message.header.type = type;
    message.header.payload_size = sizeof payload;
    static_assert(sizeof payload <= abi::max_payload);
    std::memcpy(message.payload.data(), &payload, sizeof payload);
    return message;
}

/// What a simple access does not need is zero (§16.5.3), but for the instruction: shipped parents look at it.
abi::IoPortMessage port_access(VirtualProcessor& vp, Intercept const& intercept)
{
    abi::IoPortMessage out{};
    out.header = header_of(vp, intercept);
    out.port = intercept.port;
    out.access_info = intercept.size;
    out.instruction_byte_count = intercept.byte_count;
    out.rax = word(vp, RegisterName::Rax);
    out.instruction = intercept.bytes;
    if (!intercept.is_string) return out;
    out.access_info |= abi::IoPortMessage::string_operation;
    if (intercept.is_repeated) out.access_info |= abi::IoPortMessage::rep_prefix;
    out.ds = segment(vp, RegisterName::Ds);
    out.es = segment(vp, RegisterName::Es);
    out.rcx = word(vp, behind(RegisterName::Rax, rcx));
    out.rsi = word(vp, behind(RegisterName::Rax, rsi));
    out.rdi = word(vp, behind(RegisterName::Rax, rdi));
    return out;
}

abi::MemoryAccessMessage memory_access(VirtualProcessor& vp, Intercept const& intercept)
{
    constexpr std::uint32_t write_back = 6;
    constexpr unsigned tpr_shift = 4;
    return {.header = header_of(vp, intercept),
            .cache_type = write_back,
            .instruction_byte_count = intercept.byte_count,
            .access_info = intercept.gva ? abi::MemoryAccessMessage::gva_valid : std::uint8_t{0},
            .tpr_priority = static_cast<std::uint8_t>((word(vp, RegisterName::Cr8) & 0xF) << tpr_shift),
            .reserved = 0,
            .gva = intercept.gva.value_or(0),
            .gpa = intercept.gpa.value,
            .instruction = intercept.bytes};
}

/// §16.5.2.
abi::MsrMessage msr_access(VirtualProcessor& vp, Intercept const& intercept)
{
    return {.header = header_of(vp, intercept),
            .msr = intercept.msr,
            .reserved = 0,
            .rdx = word(vp, behind(RegisterName::Rax, rdx)),
            .rax = word(vp, RegisterName::Rax)};
}

} // namespace

abi::Message intercept_message(VirtualProcessor& vp, abi::MessageType type, Intercept const& intercept)
{
    switch (intercept.kind) {
    case Intercept::Kind::PortAccess: return message_of(type, port_access(vp, intercept));
    case Intercept::Kind::MemoryAccess: return message_of(type, memory_access(vp, intercept));
    case Intercept::Kind::MsrAccess: return message_of(type, msr_access(vp, intercept));
    case Intercept::Kind::Halt:
    case Intercept::Kind::UnrecoverableException: break;
    }
    return message_of(type, header_of(vp, intercept));
}

abi::Message eoi_message(VirtualProcessor const& vp, PartitionId child, std::uint8_t vector)
{
    auto message = message_of(abi::MessageType::ApicEoi, abi::ApicEoiMessage{vp.index().value, vector});
    message.header.origin = child.value;
    return message;
}

abi::Message opaque_message(VirtualProcessor const& vp, PartitionId child)
{
    auto message = message_of(abi::MessageType::OpaqueIntercept, abi::OpaqueInterceptMessage{vp.index().value, 0});
    message.header.origin = child.value;
    return message;
}

} // namespace hv
