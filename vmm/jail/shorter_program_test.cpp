#include "hv/testing/catch.hpp"
#include "vmm/jail/shorter_program.hpp"

#include <linux/seccomp.h>

#include <cstddef>
#include <cstdint>
#include <vector>

namespace vmm::jail {

namespace {

constexpr std::uint32_t allow = SECCOMP_RET_ALLOW;
constexpr std::uint32_t trap = SECCOMP_RET_TRAP;

sock_filter load()
{
    return BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 0);
}
sock_filter returns(std::uint32_t value)
{
    return BPF_STMT(BPF_RET | BPF_K, value);
}
sock_filter if_equal(std::uint32_t value, std::uint8_t yes, std::uint8_t no)
{
    return BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, value, yes, no);
}

/// What a program of the steps above, and of jumps, answers to a call.
std::uint32_t answer(std::vector<sock_filter> const& program, std::uint32_t call)
{
    std::uint32_t accumulator = 0;
    for (std::size_t i = 0; i < program.size(); ++i) {
        auto const& step = program[i];
        if (BPF_CLASS(step.code) == BPF_RET) return step.k;
        if (BPF_CLASS(step.code) == BPF_LD)
            accumulator = call;
        else if (BPF_CLASS(step.code) == BPF_ALU)
            accumulator &= step.k;
        else if (BPF_OP(step.code) == BPF_JA)
            i += step.k;
        else
            i += accumulator == step.k ? step.jt : step.jf;
    }
    FAIL("left the program behind its end");
    return 0;
}

} // namespace

TEST_CASE("equal returns become one, and the answers stay", "[jail][seccomp]")
{
    // As libseccomp writes them: each comparison has its own return behind it.
    std::vector<sock_filter> const program{load(),         if_equal(1, 0, 1), returns(allow), if_equal(2, 0, 1),
                                           returns(allow), if_equal(3, 0, 1), returns(allow), returns(trap)};
    auto const shorter = shorten(program);
    CHECK(shorter.size() == 6);
    for (std::uint32_t call = 0; call < 5; ++call)
        CHECK(answer(shorter, call) == answer(program, call));
}

TEST_CASE("a return that is out of a jump's reach stays", "[jail][seccomp]")
{
    constexpr std::uint32_t calls = 400;
    std::vector<sock_filter> program{load()};
    for (std::uint32_t call = 0; call < calls; ++call) {
        program.push_back(if_equal(call, 0, 1));
        program.push_back(returns(call % 3 == 0 ? trap : allow));
    }
    program.push_back(returns(trap));
    auto const shorter = shorten(program);
    CHECK(shorter.size() < calls + 16);
    for (std::uint32_t call = 0; call < calls + 2; ++call)
        REQUIRE(answer(shorter, call) == answer(program, call));
}

TEST_CASE("a return that a step leads to stays, and long jumps find theirs", "[jail][seccomp]")
{
    std::vector<sock_filter> const program{
        if_equal(0, 0, 1), BPF_STMT(BPF_JMP | BPF_JA, 3), returns(trap), load(), returns(allow), returns(allow)};
    // The jump's target stands for the third step's successor too.
    auto const shorter = shorten(program);
    CHECK(answer(shorter, 0) == answer(program, 0));
    std::vector<sock_filter> const stepped{load(), returns(allow), returns(allow)};
    CHECK(answer(shorten(stepped), 7) == allow);
}

TEST_CASE("no test of no bits is left", "[jail][seccomp]")
{
    // As libseccomp compares 32 bits of an argument: of the upper half nothing.
    std::vector<sock_filter> const program{load(),
                                           BPF_STMT(BPF_ALU | BPF_AND | BPF_K, 0),
                                           if_equal(0, 0, 3),
                                           load(),
                                           BPF_STMT(BPF_ALU | BPF_AND | BPF_K, 2),
                                           if_equal(2, 1, 0),
                                           returns(trap),
                                           returns(allow)};
    auto const shorter = shorten(program);
    CHECK(shorter.size() == program.size() - 3);
    for (std::uint32_t argument = 0; argument < 8; ++argument)
        CHECK(answer(shorter, argument) == answer(program, argument));
}

} // namespace vmm::jail
