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

void write_line(u32 number, TestCase const& test)
{
    print(outcome == Outcome::failed ? "not ok " : "ok ", number, " - ");
    write_name(test);
    if (outcome == Outcome::failed) write_failure();
    if (outcome == Outcome::skipped) print(" # SKIP ", skip_reason);
    print("\n");
}

struct Counts {
    u32 of[3]; ///< by outcome

    void add(Outcome one) { ++of[static_cast<u8>(one)]; }
    [[nodiscard]] u32 failed() const { return of[static_cast<u8>(Outcome::failed)]; }
    [[nodiscard]] u32 sum() const { return of[0] + of[1] + of[2]; }
    void write() const { print(of[0], " passed, ", of[1], " failed, ", of[2], " skipped\n"); }
};

/// How a test's section is counted: "2.0a 14.9.1, 14.9.7" as "2.0a 14.9", "alignment, outputs" as "alignment".
struct SectionName {
    char text[48]{};

    explicit SectionName(char const* section)
    {
        unsigned dots = 0;
        bool past_edition = false;
        for (unsigned i = 0; section[i] && i + 1 < sizeof text; ++i) {
            auto const c = section[i];
            if (c == ',' || c == ';' || c == ':') break;
            if (c == ' ') past_edition = true;
            if (past_edition && c == '.' && ++dots == 2) break;
            text[i] = c;
        }
    }
    [[nodiscard]] bool operator==(SectionName const& other) const
    {
        return memcmp(text, other.text, sizeof text) == 0;
    }
};

struct SectionCounts {
    SectionName name{""};
    Counts counts{};
};

/// In the order in which the sections were first tested.
class Summary {
  public:
    void add(char const* section, Outcome one)
    {
        SectionName const name{section};
        auto i = 0u;
        while (i < used_ && !(sections_[i].name == name))
            ++i;
        if (i == capacity) return;
        if (i == used_) sections_[used_++].name = name;
        sections_[i].counts.add(one);
    }
    void write() const
    {
        for (auto i = 0u; i < used_; ++i) {
            print("# section ", sections_[i].name.text, ": ");
            sections_[i].counts.write();
        }
    }

  private:
    static constexpr u32 capacity = 96;
    SectionCounts sections_[capacity]{};
    u32 used_ = 0;
};

/// Whether the name begins with one of the prefixes, which commas divide.
bool is_wanted(TestCase const& test, char const* prefixes)
{
    for (;;) {
        auto const* name = test.name;
        while (*prefixes && *prefixes != ',' && *name == *prefixes)
            ++name, ++prefixes;
        if (!*prefixes || *prefixes == ',') return true;
        while (*prefixes && *prefixes != ',')
            ++prefixes;
        if (!*prefixes++) return false;
    }
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
    char prefixes[128]{};
    auto const* const wanted = option("test");
    for (unsigned i = 0; wanted[i] && i + 1 < sizeof prefixes; ++i)
        prefixes[i] = wanted[i];

    u32 planned = 0;
    for (auto const* const* test = tests_begin; test != tests_end; ++test)
        planned += is_wanted(**test, prefixes);
    print("1..", planned, "\n");

    Counts counts{};
    static Summary summary;
    for (auto const* const* test = tests_begin; test != tests_end; ++test) {
        if (!is_wanted(**test, prefixes)) continue;
        outcome = Outcome::passed;
        has_position = false;
        (*test)->run();
        between();
        counts.add(outcome);
        summary.add((*test)->section, outcome);
        write_line(counts.sum(), **test);
    }
    summary.write();
    counts.write();
    if (counts.sum() == 0) return 2;
    return counts.failed() ? 1 : 0;
}

} // namespace guest
