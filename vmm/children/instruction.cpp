#include "vmm/children/instruction.hpp"

#include "devices/base/loaded_library.hpp"

#include <Zydis/Zydis.h>

namespace vmm {

namespace {

struct Library {
    decltype(&ZydisDecoderInit) init = nullptr;
    decltype(&ZydisDecoderDecodeFull) decode = nullptr;
    decltype(&ZydisCalcAbsoluteAddressEx) address = nullptr;
};

Library load()
{
    devices::LoadedLibrary const file{"Children of a guest", "libZydis.so.4.0", "libzydis4.0"};
    Library library;
    file.find("ZydisDecoderInit", library.init);
    file.find("ZydisDecoderDecodeFull", library.decode);
    file.find("ZydisCalcAbsoluteAddressEx", library.address);
    return library;
}

Library const& library()
{
    static auto const loaded = load();
    return loaded;
}

ZydisDecoder decoder_for(SystemRegisters const& system)
{
    constexpr std::uint64_t efer_lma = 1U << 10;
    ZydisDecoder decoder;
    if ((system.efer & efer_lma) != 0 && system.cs.long_mode)
        library().init(&decoder, ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64);
    else if (system.cs.default_32bit)
        library().init(&decoder, ZYDIS_MACHINE_MODE_LEGACY_32, ZYDIS_STACK_WIDTH_32);
    else
        library().init(&decoder, ZYDIS_MACHINE_MODE_LEGACY_16, ZYDIS_STACK_WIDTH_16);
    return decoder;
}

/// All widths of each general register; Zydis numbers them one behind the other.
ZydisRegisterContext context_of(Registers const& registers)
{
    ZydisRegisterContext context{};
    std::array const values{registers.rax, registers.rcx, registers.rdx, registers.rbx, registers.rsp, registers.rbp,
                            registers.rsi, registers.rdi, registers.r8,  registers.r9,  registers.r10, registers.r11,
                            registers.r12, registers.r13, registers.r14, registers.r15};
    for (std::size_t i = 0; i < values.size(); ++i) {
        context.values[ZYDIS_REGISTER_RAX + i] = values[i];
        context.values[ZYDIS_REGISTER_EAX + i] = values[i] & 0xFFFF'FFFF;
        context.values[ZYDIS_REGISTER_AX + i] = values[i] & 0xFFFF;
    }
    context.values[ZYDIS_REGISTER_RIP] = registers.rip;
    return context;
}

std::uint64_t base_of(ZydisRegister segment, ZydisMachineMode mode, SystemRegisters const& system)
{
    if (segment == ZYDIS_REGISTER_FS) return system.fs.base;
    if (segment == ZYDIS_REGISTER_GS) return system.gs.base;
    if (mode == ZYDIS_MACHINE_MODE_LONG_64) return 0;
    switch (segment) {
    case ZYDIS_REGISTER_ES: return system.es.base;
    case ZYDIS_REGISTER_CS: return system.cs.base;
    case ZYDIS_REGISTER_SS: return system.ss.base;
    default: return system.ds.base;
    }
}

void describe_operation(Instruction& out, ZydisDecodedInstruction const& instruction)
{
    switch (instruction.mnemonic) {
    case ZYDIS_MNEMONIC_IN:
    case ZYDIS_MNEMONIC_OUT: out.accesses_port = true; break;
    case ZYDIS_MNEMONIC_INSB:
    case ZYDIS_MNEMONIC_INSW:
    case ZYDIS_MNEMONIC_INSD:
        out.accesses_port = true;
        out.moves_destination = true;
        break;
    case ZYDIS_MNEMONIC_OUTSB:
    case ZYDIS_MNEMONIC_OUTSW:
    case ZYDIS_MNEMONIC_OUTSD:
        out.accesses_port = true;
        out.moves_source = true;
        break;
    case ZYDIS_MNEMONIC_STOSB:
    case ZYDIS_MNEMONIC_STOSW:
    case ZYDIS_MNEMONIC_STOSD:
    case ZYDIS_MNEMONIC_STOSQ: out.moves_destination = true; break;
    case ZYDIS_MNEMONIC_MOVSB:
    case ZYDIS_MNEMONIC_MOVSW:
    case ZYDIS_MNEMONIC_MOVSQ:
        out.moves_source = true;
        out.moves_destination = true;
        break;
    case ZYDIS_MNEMONIC_MOVSD: // or the scalar move of SSE2
        out.moves_source = out.moves_destination = instruction.meta.category == ZYDIS_CATEGORY_STRINGOP;
        break;
    case ZYDIS_MNEMONIC_CALL: out.is_call = true; break;
    default: break;
    }
    out.is_string = out.moves_source || out.moves_destination;
    constexpr auto repeats = ZYDIS_ATTRIB_HAS_REP | ZYDIS_ATTRIB_HAS_REPE | ZYDIS_ATTRIB_HAS_REPNE;
    out.is_repeated = out.is_string && (instruction.attributes & repeats) != 0;
}

/// Zydis has the place where RSP is before.
bool is_pushed(ZydisDecodedInstruction const& instruction, ZydisDecodedOperand const& operand)
{
    switch (instruction.mnemonic) {
    case ZYDIS_MNEMONIC_CALL:
    case ZYDIS_MNEMONIC_PUSH:
    case ZYDIS_MNEMONIC_PUSHF:
    case ZYDIS_MNEMONIC_PUSHFD:
    case ZYDIS_MNEMONIC_PUSHFQ:
        return operand.visibility == ZYDIS_OPERAND_VISIBILITY_HIDDEN &&
               (operand.actions & ZYDIS_OPERAND_ACTION_MASK_WRITE) != 0;
    default: return false;
    }
}

std::uint64_t stack_mask(ZydisDecoder const& decoder)
{
    switch (decoder.stack_width) {
    case ZYDIS_STACK_WIDTH_16: return 0xFFFF;
    case ZYDIS_STACK_WIDTH_32: return 0xFFFF'FFFF;
    default: return ~std::uint64_t{0};
    }
}

} // namespace

void load_instruction_decoder()
{
    (void)library();
}

std::optional<Instruction> decode(std::span<std::byte const> bytes, Registers const& before,
                                  SystemRegisters const& system)
{
    auto const decoder = decoder_for(system);
    ZydisDecodedInstruction instruction;
    std::array<ZydisDecodedOperand, ZYDIS_MAX_OPERAND_COUNT> operands;
    if (ZYAN_FAILED(library().decode(&decoder, bytes.data(), bytes.size(), &instruction, operands.data())))
        return std::nullopt;

    Instruction out;
    out.length = instruction.length;
    describe_operation(out, instruction);
    auto const context = context_of(before);
    constexpr unsigned bits_a_byte = 8;
    for (auto const& operand : std::span{operands}.first(instruction.operand_count)) {
        if (operand.type == ZYDIS_OPERAND_TYPE_REGISTER && operand.reg.value >= ZYDIS_REGISTER_XMM0 &&
            operand.reg.value <= ZYDIS_REGISTER_ZMM31)
            out.uses_vectors = true;
        bool const is_memory = operand.type == ZYDIS_OPERAND_TYPE_MEMORY && operand.mem.type != ZYDIS_MEMOP_TYPE_AGEN;
        ZyanU64 offset = 0;
        bool const is_target = out.is_call && operand.type == ZYDIS_OPERAND_TYPE_IMMEDIATE && operand.imm.is_relative;
        if (!is_target && (!is_memory || out.memory_count == out.memory.size())) continue;
        if (ZYAN_FAILED(library().address(&instruction, &operand, before.rip, &context, &offset))) continue;
        if (is_target) {
            out.target = offset;
            continue;
        }
        auto const size = static_cast<std::uint16_t>(operand.size / bits_a_byte);
        if (is_pushed(instruction, operand)) {
            out.pushes = static_cast<std::uint8_t>(size);
            offset = (offset - size) & stack_mask(decoder);
        }
        out.memory[out.memory_count++] = {offset + base_of(operand.mem.segment, decoder.machine_mode, system), size,
                                          (operand.actions & ZYDIS_OPERAND_ACTION_MASK_READ) != 0,
                                          (operand.actions & ZYDIS_OPERAND_ACTION_MASK_WRITE) != 0};
        if (out.is_string) out.element = static_cast<std::uint8_t>(size);
    }
    return out;
}

} // namespace vmm
