#include "runtime/test.hpp"

#include "runtime/console.hpp"
#include "runtime/memory.hpp"
#include "runtime/start_info.hpp"

extern "C" {
extern guest::TestCase const* const tests_begin[];
extern guest::TestCase const* const tests_end[];
}

namespace guest {

namespace {

enum class Outcome : u8 { passed, failed, skipped };

Outcome outcome;
Finding failure;
char const* skip_reason;
u64 position;
bool has_position;

void write_name(TestCase const& test)
{
    print(test.name, " [", test.section, "]");
}

void write_value(u64 value)
{
    if (failure.kind == Finding::statuses)
        return print(hv::name(static_cast<hv::Status>(value)), " (", hex(value), ")");
    print(hex(value));
}

void write_failure()
{
    print(": ", failure.what);
    if (failure.kind != Finding::only_text) {
        print(" is ");
        write_value(failure.actual);
        print(", expected ");
        write_value(failure.expected);
    }
    if (has_position) print(" at ", hex(position));
    print(" (", failure.file, ":", failure.line, ")");
}

void write_line(TestCase const& test)
{
    constexpr char const* words[] = {"ok ", "not ok ", "skip "};
    print(words[static_cast<u8>(outcome)]);
    write_name(test);
    if (outcome == Outcome::failed) write_failure();
    if (outcome == Outcome::skipped) print(": ", skip_reason);
    print("\n");
}

} // namespace

void report_failure(Finding const& finding)
{
    if (outcome == Outcome::failed) return;
    outcome = Outcome::failed;
    failure = finding;
}

void report_skip(char const* reason)
{
    if (outcome != Outcome::passed) return;
    outcome = Outcome::skipped;
    skip_reason = reason;
}

bool test_is_over()
{
    return outcome != Outcome::passed;
}

void note_position(u64 number)
{
    position = number;
    has_position = true;
}

u32 run_tests(void (*between)())
{
    char prefix[64]{};
    auto const* const wanted = option("test");
    for (unsigned i = 0; wanted[i] && i + 1 < sizeof prefix; ++i)
        prefix[i] = wanted[i];

    u32 count[3]{};
    for (auto const* const* test = tests_begin; test != tests_end; ++test) {
        if (!starts_with((*test)->name, prefix)) continue;
        outcome = Outcome::passed;
        has_position = false;
        (*test)->run();
        between();
        write_line(**test);
        ++count[static_cast<u8>(outcome)];
    }
    print(count[0], " passed, ", count[1], " failed, ", count[2], " skipped\n");
    if (count[0] + count[1] + count[2] == 0) return 2;
    return count[1] ? 1 : 0;
}

} // namespace guest
