#include "hv/testing/catch.hpp"
#include "vmm/machine/outcome.hpp"

using vmm::Outcome;

TEST_CASE("a run's end becomes words and an exit status", "[machine]")
{
    using Kind = Outcome::Kind;
    struct Case {
        Outcome outcome;
        char const* words;
        int status;
    };
    for (auto const& [outcome, words, status] : {
             Case{{Kind::PowerOff, 0, {}}, "powered off", 0},
             Case{{Kind::Reset, 0, {}}, "rebooted", 0},
             Case{{Kind::Quit, 0, {}}, "left by the user", 0},
             Case{{Kind::DebugExit, 7, {}}, "debug exit, status 7", 7},
             Case{{Kind::Died, 0, {}}, "died", 1},
             Case{{Kind::HostError, 0, {}}, "given up", 2},
             Case{{Kind::Forced, 15, {}}, "forced by signal 15", 143},
         }) {
        CHECK(describe(outcome) == words);
        CHECK(exit_status(outcome) == status);
    }
}
