/// Instructions of each mode at which children stop.
#include "hv/testing/catch.hpp"
#include "vmm/children/instruction.hpp"

#include <vector>

using namespace vmm;

namespace {

SystemRegisters real_mode()
{
    SystemRegisters system;
    system.ds.base = 0x1'0000;
    system.es.base = 0x2'0000;
    system.ss.base = 0x3'0000;
    return system;
}

SystemRegisters long_mode()
{
    SystemRegisters system;
    system.efer = 1U << 10;
    system.cs.long_mode = true;
    system.ds.base = 0x9999; // which counts for nothing here
    system.gs.base = 0x7000'0000;
    return system;
}

Registers with(std::uint64_t Registers::*member, std::uint64_t value, Registers registers = {})
{
    registers.*member = value;
    return registers;
}

std::optional<Instruction> decoded(std::vector<unsigned char> const& code, Registers const& registers,
                                   SystemRegisters const& system)
{
    return decode(std::as_bytes(std::span{code}), registers, system);
}

} // namespace

TEST_CASE("what is pushed is written below the stack pointer", "[children][instruction]")
{
    auto const push = decoded({0x50}, with(&Registers::rsp, 0x100), real_mode());
    REQUIRE(push);
    CHECK(push->pushes == 2);
    REQUIRE(push->accesses().size() == 1);
    CHECK(push->accesses()[0].linear == 0x3'00FE);
    CHECK(push->accesses()[0].is_written);
    auto const wrapped = decoded({0x50}, with(&Registers::rsp, 0), real_mode());
    REQUIRE(wrapped);
    CHECK(wrapped->accesses()[0].linear == 0x3'FFFE);
    auto const of_memory = decoded({0xFF, 0x33}, with(&Registers::rsp, 0x5000), long_mode()); // push [rbx]
    REQUIRE(of_memory);
    CHECK(of_memory->pushes == 8);
    REQUIRE(of_memory->accesses().size() == 2);
    CHECK((of_memory->accesses()[0].linear == 0 && !of_memory->accesses()[0].is_written));
    CHECK((of_memory->accesses()[1].linear == 0x4FF8 && of_memory->accesses()[1].is_written));
    auto at = with(&Registers::rsp, 0x5000);
    at.rip = 0x1000;
    auto const call = decoded({0xE8, 0x10, 0, 0, 0}, at, long_mode());
    REQUIRE(call);
    CHECK((call->is_call && call->pushes == 8 && call->target == 0x1015U));
    auto const indirect = decoded({0xFF, 0xD0}, at, long_mode()); // call rax
    REQUIRE(indirect);
    CHECK((indirect->is_call && indirect->pushes == 8 && !indirect->target));
    auto const pop = decoded({0x58}, at, long_mode());
    REQUIRE(pop);
    CHECK(pop->pushes == 0);
}

TEST_CASE("accesses to ports, simple and of strings", "[children][instruction]")
{
    auto const out = decoded({0xE6, 0x80, 0x90}, {}, real_mode());
    REQUIRE(out);
    CHECK(out->length == 2);
    CHECK(out->accesses_port);
    CHECK_FALSE(out->is_string);
    auto const outs = decoded({0xF3, 0x66, 0x6F}, with(&Registers::rsi, 0x10), real_mode()); // rep outsd
    REQUIRE(outs);
    CHECK(outs->length == 3);
    CHECK((outs->is_string && outs->is_repeated && outs->moves_source && !outs->moves_destination));
    CHECK(outs->element == 4);
    REQUIRE(outs->accesses().size() == 1);
    CHECK(outs->accesses()[0].linear == 0x1'0010);
    auto const ins = decoded({0x6C}, with(&Registers::rdi, 0x20), real_mode());
    REQUIRE(ins);
    CHECK((ins->moves_destination && !ins->moves_source && !ins->is_repeated && ins->element == 1));
    CHECK(ins->accesses()[0].linear == 0x2'0020);
}

TEST_CASE("what an instruction reads and writes, and where", "[children][instruction]")
{
    auto const store =
        decoded({0x44, 0x89, 0x4B, 0x10}, with(&Registers::rbx, 0x1000), long_mode()); // mov [rbx + 0x10], r9d
    REQUIRE(store);
    REQUIRE(store->accesses().size() == 1);
    CHECK(store->accesses()[0].linear == 0x1010);
    CHECK(store->accesses()[0].size == 4);
    CHECK((store->accesses()[0].is_written && !store->accesses()[0].is_read));

    auto const increment = decoded({0xFF, 0x06, 0x08, 0x80}, {}, real_mode()); // inc word [0x8008]
    REQUIRE(increment);
    CHECK(increment->accesses()[0].linear == 0x1'8008);
    CHECK((increment->accesses()[0].is_written && increment->accesses()[0].is_read));

    auto const relative =
        decoded({0x8B, 0x05, 0x00, 0x01, 0, 0}, with(&Registers::rip, 0x4000), long_mode()); // mov eax, [rip+256]
    REQUIRE(relative);
    CHECK(relative->accesses()[0].linear == 0x4106);
    auto const by_gs = decoded({0x65, 0x48, 0x8B, 0x00}, with(&Registers::rax, 8), long_mode()); // mov rax, gs:[rax]
    REQUIRE(by_gs);
    CHECK(by_gs->accesses()[0].linear == 0x7000'0008);
    CHECK_FALSE(by_gs->uses_vectors);
    auto const vector = decoded({0x0F, 0x10, 0x00}, {}, long_mode()); // movups xmm0, [rax]
    REQUIRE(vector);
    CHECK(vector->uses_vectors);
    CHECK(vector->accesses()[0].size == 16);
    auto const address_alone = decoded({0x48, 0x8D, 0x03}, with(&Registers::rbx, 5), long_mode()); // lea rax, [rbx]
    REQUIRE(address_alone);
    CHECK(address_alone->accesses().empty());

    auto const moves =
        decoded({0xF3, 0xA4}, with(&Registers::rsi, 1, with(&Registers::rdi, 2)), real_mode()); // rep movsb
    REQUIRE(moves);
    CHECK((moves->moves_source && moves->moves_destination && moves->is_repeated));
    CHECK(moves->accesses().size() == 2);
}

TEST_CASE("what is no instruction, or not all of one, is nothing", "[children][instruction]")
{
    CHECK_FALSE(decoded({}, {}, long_mode()));
    CHECK_FALSE(decoded({0x48}, {}, long_mode()));
    CHECK_FALSE(decoded({0x06}, {}, long_mode())); // push es, which long mode has not
    CHECK(decoded({0x06}, {}, real_mode()));
    CHECK_FALSE(decoded(std::vector<unsigned char>(15, 0x66), {}, long_mode()));
}
