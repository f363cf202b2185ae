#include "vmm/jail/shorter_program.hpp"

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <span>

namespace vmm::jail {

namespace {

constexpr std::size_t farthest = 255; ///< what the eight bits of a conditional jump skip

bool is_return(sock_filter const& step)
{
    return BPF_CLASS(step.code) == BPF_RET;
}
bool is_jump(sock_filter const& step)
{
    return BPF_CLASS(step.code) == BPF_JMP;
}
bool is_conditional(sock_filter const& step)
{
    return is_jump(step) && BPF_OP(step.code) != BPF_JA;
}

std::size_t target(std::size_t from, std::uint32_t skipped)
{
    return from + 1 + skipped;
}

/// The first jump to each step: of conditional ones the farthest.
std::vector<std::optional<std::size_t>> first_jumps(std::vector<sock_filter> const& program)
{
    std::vector<std::optional<std::size_t>> first(program.size());
    auto const note = [&](std::size_t from, std::uint32_t skipped) {
        auto& known = first[target(from, skipped)];
        if (!known) known = from;
    };
    for (std::size_t i = 0; i < program.size(); ++i) {
        if (is_conditional(program[i])) {
            note(i, program[i].jt);
            note(i, program[i].jf);
        } else if (is_jump(program[i])) {
            note(i, program[i].k);
        }
    }
    return first;
}

using Steps = std::span<sock_filter const>;

/// Loads a word, and goes on with the next step when none of its bits is set: of no bits none ever is.
constexpr std::size_t test_length = 3;
bool tests_no_bits(Steps steps)
{
    return steps.size() > test_length && BPF_CLASS(steps[0].code) == BPF_LD &&
           steps[1].code == (BPF_ALU | BPF_AND | BPF_K) && steps[1].k == 0 &&
           steps[2].code == (BPF_JMP | BPF_JEQ | BPF_K) && steps[2].k == 0 && steps[2].jt == 0 &&
           BPF_CLASS(steps[test_length].code) == BPF_LD; // of another word: the first one is not looked at again
}

/// For each step the one that stands for it: itself, or one behind it.
class StandIns {
  public:
    explicit StandIns(std::vector<sock_filter> const& program) : first_{first_jumps(program)}, stands_(program.size())
    {
        for (auto i = program.size(); i-- > 0;) {
            stands_[i] = i;
            if (is_return(program[i])) share_return(program, i);
            if (tests_no_bits(Steps{program}.subspan(i))) skip_test(i);
        }
    }
    std::size_t operator[](std::size_t i) const { return stands_[i]; }

  private:
    /// By an equal one that all can reach who come to this one.
    void share_return(std::vector<sock_filter> const& program, std::size_t i)
    {
        bool const is_reached_by_step = i == 0 || !(is_jump(program[i - 1]) || is_return(program[i - 1]));
        auto const other = kept_.find(program[i].k);
        if (other != kept_.end() && !is_reached_by_step &&
            (!first_[i] || other->second <= target(*first_[i], farthest)))
            stands_[i] = other->second;
        else
            kept_[program[i].k] = i;
    }
    void skip_test(std::size_t i)
    {
        if (first_[i + 1] || first_[i + 2]) return;
        for (std::size_t n = 0; n < test_length; ++n)
            stands_[i + n] = stands_[i + test_length];
    }

    std::vector<std::optional<std::size_t>> first_;
    std::vector<std::size_t> stands_;
    std::map<std::uint32_t, std::size_t> kept_; ///< the nearest return, by what it gives
};

} // namespace

std::vector<sock_filter> shorten(std::vector<sock_filter> const& program)
{
    StandIns const stands_for{program};
    std::vector<std::size_t> place(program.size());
    std::size_t count = 0;
    for (std::size_t i = 0; i < program.size(); ++i)
        place[i] = stands_for[i] == i ? count++ : 0;

    std::vector<sock_filter> out;
    out.reserve(count);
    for (std::size_t i = 0; i < program.size(); ++i) {
        if (stands_for[i] != i) continue;
        auto const skipped = [&](std::uint32_t before) {
            return place[stands_for[target(i, before)]] - place[i] - 1;
        };
        auto step = program[i];
        if (is_conditional(step)) {
            step.jt = static_cast<std::uint8_t>(skipped(program[i].jt));
            step.jf = static_cast<std::uint8_t>(skipped(program[i].jf));
        } else if (is_jump(step)) {
            step.k = static_cast<std::uint32_t>(skipped(program[i].k));
        }
        out.push_back(step);
    }
    return out;
}

} // namespace vmm::jail
