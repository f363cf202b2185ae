/// Tests that run inside a guest: how to write one and what it can say.
///
///     TEST(ports, delete_twice, "2.0a 14.9.2") { ... CHECK_STATUS(delete_port(id), Status::InvalidPortId); }
///
/// prints one line, as the Test Anything Protocol has it: `ok 7 - ports.delete_twice [2.0a 14.9.2]`,
/// `not ok 7 - … : why (file:line)`, or `ok 7 - … # SKIP reason`.
#pragma once

#include "runtime/hyperv.hpp"

namespace guest {

struct TestCase {
    char const* name;
    char const* section; ///< of the TLFS, or another document that says what is tested
    void (*run)();
};

/// The two values that a failed comparison found.
struct Finding {
    char const* what;
    char const* file;
    int line;
    u64 actual;
    u64 expected;
    enum : u8 { only_text, numbers, statuses } kind;
};

/// Ends the running test; it is for the macros below. The first of several findings counts.
void report_failure(Finding const& finding);
void report_skip(char const* reason);

/// Whether the running test has failed or been skipped: what a helper that may fail is followed by.
[[nodiscard]] bool test_is_over();

/// Adds a number to the next failure's line, for tests that loop ("at N").
void note_position(u64 number);

/// Runs all tests whose names start with one of the command line's `test=PREFIX,…` (all of them without it), with
/// `between` after each, then a count for each section and one of everything. Returns the exit code: 0, or 1 when a
/// test failed, 2 when no name matched.
u32 run_tests(void (*between)());

} // namespace guest

#define TEST_IN(linker_section, area, id, text)                                                                      \
    static void test_##area##_##id();                                                                                \
    static constexpr guest::TestCase case_##area##_##id{#area "." #id, text, test_##area##_##id};                    \
    [[gnu::used, gnu::section(linker_section)]] static guest::TestCase const* const entry_##area##_##id =            \
        &case_##area##_##id;                                                                                         \
    static void test_##area##_##id()

#define TEST(area, id, text) TEST_IN(".tests", area, id, text)

/// A test that the others build on.
#define FIRST_TEST(area, id, text) TEST_IN(".tests_first", area, id, text)

/// A test that leaves the machine changed for good: these run after all others.
#define LAST_TEST(area, id, text) TEST_IN(".tests_last", area, id, text)

#define FAIL(text) return guest::report_failure({text, __FILE_NAME__, __LINE__, 0, 0, guest::Finding::only_text})

#define CHECK(condition)                                                                                             \
    do {                                                                                                             \
        if (!(condition)) FAIL("not true: " #condition);                                                             \
    } while (false)

#define CHECK_EQ(left, right)                                                                                        \
    do {                                                                                                             \
        auto const actual_ = static_cast<guest::u64>(left);                                                          \
        auto const expected_ = static_cast<guest::u64>(right);                                                       \
        if (actual_ != expected_)                                                                                    \
            return guest::report_failure(                                                                            \
                {#left, __FILE_NAME__, __LINE__, actual_, expected_, guest::Finding::numbers});                      \
    } while (false)

#define CHECK_STATUS(left, right)                                                                                    \
    do {                                                                                                             \
        auto const actual_ = static_cast<guest::u64>(left);                                                          \
        auto const expected_ = static_cast<guest::u64>(right);                                                       \
        if (actual_ != expected_)                                                                                    \
            return guest::report_failure(                                                                            \
                {#left, __FILE_NAME__, __LINE__, actual_, expected_, guest::Finding::statuses});                     \
    } while (false)

/// Calls a helper that may fail or skip, and ends the test when it did.
#define RUN(call)                                                                                                    \
    do {                                                                                                             \
        call;                                                                                                        \
        if (guest::test_is_over()) return;                                                                           \
    } while (false)

#define SKIP(reason) return guest::report_skip(reason)

#define SKIP_UNLESS(condition, reason)                                                                               \
    do {                                                                                                             \
        if (!(condition)) SKIP(reason);                                                                              \
    } while (false)

#define NEEDS_HYPERV() SKIP_UNLESS(guest::hv::present(), "CPUID shows no Hv#1 interface")

#define NEEDS(id)                                                                                                    \
    do {                                                                                                             \
        NEEDS_HYPERV();                                                                                              \
        SKIP_UNLESS(guest::hv::offered(guest::hv::feature::id), guest::hv::feature::id.text);                        \
    } while (false)

#define NEEDS_SECOND_CPU() SKIP_UNLESS(guest::cpu_count() > 1, "the machine has one processor")
