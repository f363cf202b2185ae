#include "vmm/children/rewind.hpp"

#include "hv/abi/child.hpp"
#include "hv/child/page_walk.hpp"
#include "vmm/children/instruction.hpp"

#include <algorithm>
#include <array>
#include <cstring>
#include <optional>
#include <vector>

namespace vmm {

namespace {

using hv::Intercept;

constexpr std::uint64_t direction_flag = 1U << 10;
constexpr unsigned most_fragments = 16; ///< exits that one instruction's access takes, at most

hv::PagingRegisters paging(SystemRegisters const& system)
{
    return {system.cr0, system.cr3, system.cr4, system.efer};
}

bool in_long_mode(SystemRegisters const& system)
{
    constexpr std::uint64_t efer_lma = 1U << 10;
    return (system.efer & efer_lma) != 0 && system.cs.long_mode;
}

/// The instructions around a place, and the registers to go with them.
class Code {
  public:
    Code(StoppedVcpu const& stopped, SystemRegisters const& system) : memory_{stopped.memory}, system_{system} {}

    [[nodiscard]] std::optional<hv::Gpa> physical(std::uint64_t linear) const
    {
        return hv::walk(memory_, paging(system_), linear);
    }

    /// Bytes from RIP on, as many as there are.
    [[nodiscard]] std::vector<std::byte> bytes(std::uint64_t rip, std::size_t most) const
    {
        std::vector<std::byte> out;
        auto linear = in_long_mode(system_) ? rip : system_.cs.base + rip;
        while (out.size() < most) {
            auto const at = physical(linear);
            if (!at) break;
            auto const left = hv::page_size - at->value % hv::page_size;
            auto const size = std::min<std::uint64_t>(left, most - out.size());
            auto const* const host = memory_.at(*at, size);
            if (!host) break;
            out.insert(out.end(), host, host + size);
            linear += size;
        }
        return out;
    }

    /// Where an access reaches this physical address: at its first byte, or, when it lies across two pages, at the
    /// first one of the second.
    [[nodiscard]] std::optional<std::uint64_t> reaches(Instruction::Memory const& access, hv::Gpa address) const
    {
        if (physical(access.linear) == address) return access.linear;
        auto const second = (access.linear / hv::page_size + 1) * hv::page_size;
        if (second - access.linear >= access.size || physical(second) != address) return std::nullopt;
        return second;
    }

    [[nodiscard]] std::optional<Instruction> decode_at(Registers const& before, std::size_t most) const
    {
        return decode(bytes(before.rip, most), before, system_);
    }

  private:
    hv::GuestMemory const& memory_;
    SystemRegisters const& system_;
};

/// A string instruction counts and moves when it has done one element; this takes `elements` back.
Registers before_moving(Instruction const& instruction, Registers registers, std::uint64_t elements)
{
    auto const moved = instruction.element * elements;
    bool const down = (registers.rflags & direction_flag) != 0;
    auto const back = down ? moved : ~moved + 1;
    if (instruction.moves_source) registers.rsi += back;
    if (instruction.moves_destination) registers.rdi += back;
    if (instruction.is_repeated) registers.rcx += elements;
    return registers;
}

void show_bytes(Intercept& intercept, Code const& code, std::uint64_t rip)
{
    auto const bytes = code.bytes(rip, intercept.bytes.size());
    std::memcpy(intercept.bytes.data(), bytes.data(), bytes.size());
    intercept.byte_count = static_cast<std::uint8_t>(bytes.size());
}

void show(Intercept& intercept, Instruction const& instruction)
{
    intercept.instruction_length = instruction.length;
    intercept.is_string = instruction.is_string;
    intercept.is_repeated = instruction.is_repeated;
}

/// What an unfinished read has done to the vCPU beyond its general registers.
class Surroundings {
  public:
    Surroundings(Vcpu& vcpu, SystemRegisters const& system, bool vectors) : vcpu_{vcpu}, system_{system}
    {
        for (std::uint32_t i = 0; vectors && i < count; ++i)
            if (auto const value = vcpu.get_register(name(i))) vectors_.push_back(*value);
    }

    void put_back() const
    {
        for (std::uint32_t i = 0; i < vectors_.size(); ++i)
            (void)vcpu_.set_register(name(i), vectors_[i]);
        if (vcpu_.system_registers() != system_) vcpu_.set_system_registers(system_);
        (void)vcpu_.set_register(hv::abi::RegisterName::PendingInterruption, {0, 0}); // a fault of the ones it read
    }

  private:
    static hv::abi::RegisterName name(std::uint32_t i)
    {
        return static_cast<hv::abi::RegisterName>(static_cast<std::uint32_t>(hv::abi::RegisterName::Xmm0) + i);
    }

    static constexpr std::uint32_t count = 16;

    Vcpu& vcpu_;
    SystemRegisters const& system_;
    std::vector<hv::abi::RegisterValue> vectors_;
};

/// Does the rest of an access, whose data goes nowhere.
void finish(Vcpu& vcpu)
{
    for (unsigned i = 0; i < most_fragments; ++i) {
        vcpu.leave_at_once();
        auto const exit = vcpu.run();
        auto const* const more = std::get_if<exits::MmioAccess>(&exit);
        if (!more) return;
        if (!more->is_write) std::ranges::fill(more->data, std::byte{0xFF});
    }
}

/// An instruction, and the registers before it.
struct Found {
    Instruction instruction;
    Registers before;
    std::uint64_t linear;
};

/// A write that has left the vCPU behind it, or in the midst of its REP.
class LostWrite {
  public:
    LostWrite(Code const& code, Registers const& after, exits::MmioAccess const& mmio)
        : code_{code}, after_{after}, address_{mmio.address}, size_{mmio.data.size()}
    {
        if (size_ <= sizeof written_) std::memcpy(&written_, mmio.data.data(), size_);
    }

    /// A CALL whose return address has been written; a REP that goes on; or the longest that ends at RIP and whose
    /// write is the one that was seen. A shorter one that fits as well is the same without its first prefixes.
    [[nodiscard]] std::optional<Found> instruction() const
    {
        for (auto length = Instruction::longest; length > 0; --length) {
            auto const found = ending_at(written_, length);
            if (!found || !found->instruction.is_call || found->instruction.pushes != size_) continue;
            if (found->instruction.target.value_or(after_.rip) == after_.rip) return found;
        }
        if (auto found = fitting(after_, Instruction::longest); found && found->instruction.is_repeated) return found;
        for (auto length = Instruction::longest; length > 0; --length)
            if (auto found = ending_at(after_.rip, length); found && !found->instruction.is_call) return found;
        return std::nullopt;
    }

  private:
    [[nodiscard]] std::optional<Found> ending_at(std::uint64_t rip, std::size_t length) const
    {
        auto before = after_;
        before.rip = rip - length;
        auto found = fitting(before, length);
        return found && found->instruction.length == length ? found : std::nullopt;
    }

    /// What is at RIP, if it writes there. `before` has the registers as they are behind it.
    [[nodiscard]] std::optional<Found> fitting(Registers before, std::size_t most) const
    {
        auto const shape = code_.decode_at(before, most);
        if (!shape) return std::nullopt;
        before = before_moving(*shape, before, 1);
        before.rsp += shape->pushes;
        auto const instruction = code_.decode_at(before, shape->length);
        if (!instruction) return std::nullopt;
        for (auto const& access : instruction->accesses()) {
            if (!access.is_written || access.size < size_) continue;
            if (auto const linear = code_.reaches(access, address_)) return Found{*instruction, before, *linear};
        }
        return std::nullopt;
    }

    Code const& code_;
    Registers const& after_;
    hv::Gpa const address_;
    std::size_t const size_;
    std::uint64_t written_ = 0;
};

/// An OUT that ends at RIP, or goes on there.
std::optional<Found> find_out(Code const& code, Registers const& after)
{
    if (auto const unfinished = code.decode_at(after, Instruction::longest);
        unfinished && unfinished->accesses_port && unfinished->is_repeated && unfinished->moves_source)
        return Found{*unfinished, after, 0};
    for (auto length = std::size_t{4}; length > 0; --length) { // prefixes for size, address and REP, and a number
        auto before = after;
        before.rip -= length;
        auto const instruction = code.decode_at(before, length);
        if (instruction && instruction->length == length && instruction->accesses_port)
            return Found{*instruction, before, 0};
    }
    return std::nullopt;
}

} // namespace

Intercept rewind_port_access(StoppedVcpu const& stopped, exits::PortAccess const& io)
{
    auto& vcpu = stopped.vcpu;
    Intercept intercept{.kind = Intercept::Kind::PortAccess};
    intercept.access = io.is_write ? hv::abi::intercept_access::write : hv::abi::intercept_access::read;
    intercept.port = io.port;
    intercept.size = io.size;

    auto before = vcpu.registers();
    auto const count = io.count;
    bool const is_write = io.is_write;
    if (!is_write) std::memset(io.data, 0xFF, std::size_t{io.size} * count);
    vcpu.settle();
    auto const system = vcpu.system_registers();
    Code const code{stopped, system};
    bool const was_at_it = !is_write || vcpu.registers().rip != before.rip;
    if (was_at_it) {
        if (auto const instruction = code.decode_at(before, Instruction::longest)) show(intercept, *instruction);
    } else if (auto const found = find_out(code, before)) {
        show(intercept, found->instruction);
        before = before_moving(found->instruction, found->before, count);
    }
    vcpu.change_registers() = before;
    show_bytes(intercept, code, before.rip);
    return intercept;
}

Intercept rewind_msr_access(StoppedVcpu const& stopped, std::uint32_t msr, bool is_write)
{
    auto& vcpu = stopped.vcpu;
    Intercept intercept{.kind = Intercept::Kind::MsrAccess};
    intercept.access = is_write ? hv::abi::intercept_access::write : hv::abi::intercept_access::read;
    intercept.msr = msr;

    auto const before = vcpu.registers();
    if (is_write)
        vcpu.finish_msr_write(true);
    else
        vcpu.finish_msr_read(0);
    vcpu.settle();
    vcpu.change_registers() = before;
    auto const system = vcpu.system_registers();
    Code const code{stopped, system};
    if (auto const instruction = code.decode_at(before, Instruction::longest)) show(intercept, *instruction);
    return intercept;
}

Intercept rewind_memory_access(StoppedVcpu const& stopped, exits::MmioAccess const& mmio)
{
    auto& vcpu = stopped.vcpu;
    Intercept intercept{.kind = Intercept::Kind::MemoryAccess};
    intercept.access = mmio.is_write ? hv::abi::intercept_access::write : hv::abi::intercept_access::read;
    intercept.gpa = mmio.address;
    bool const is_write = mmio.is_write;

    auto before = vcpu.registers();
    auto const after = before;
    auto const system = vcpu.system_registers();
    Code const code{stopped, system};
    LostWrite const lost{code, after, mmio};
    std::optional<Instruction> reading;
    if (!is_write) {
        reading = code.decode_at(before, Instruction::longest);
        std::ranges::fill(mmio.data, std::byte{0xFF});
        // Or KVM would go on with ones for as many elements as it does before it enters the guest again, 1,024.
        if (reading && reading->is_repeated) vcpu.change_registers().rcx = 1;
    }
    Surroundings const around{vcpu, system, reading && reading->uses_vectors};
    finish(vcpu);
    around.put_back();
    if (reading) {
        show(intercept, *reading);
        for (auto const& access : reading->accesses())
            if (auto const linear = code.reaches(access, intercept.gpa)) intercept.gva = *linear;
    }
    auto const written = is_write ? lost.instruction() : std::nullopt;
    if (written) {
        show(intercept, written->instruction);
        intercept.gva = written->linear;
        before = written->before;
    }
    vcpu.change_registers() = before;
    show_bytes(intercept, code, before.rip);
    return intercept;
}

bool is_fetch_fault(StoppedVcpu const& stopped, std::function<bool(hv::Gpa)> const& is_mapped, Intercept& intercept)
{
    auto const system = stopped.vcpu.system_registers();
    auto const rip = stopped.vcpu.registers().rip;
    auto const linear = in_long_mode(system) ? rip : system.cs.base + rip;
    for (auto const at : {linear, linear + Instruction::longest - 1}) { // it may lie across two pages
        auto const gpa = hv::walk(stopped.memory, paging(system), at);
        if (!gpa || is_mapped(*gpa)) continue;
        intercept = Intercept{.kind = Intercept::Kind::MemoryAccess};
        intercept.access = hv::abi::intercept_access::execute;
        intercept.gpa = at == linear ? *gpa : hv::Gpa{gpa->value & ~(hv::page_size - 1)};
        intercept.gva = at == linear ? at : at & ~(hv::page_size - 1);
        Code const code{stopped, system};
        show_bytes(intercept, code, rip);
        return true;
    }
    return false;
}

} // namespace vmm
