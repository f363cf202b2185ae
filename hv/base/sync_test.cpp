/// The check of the lock order, which debug builds make.
#include "hv/base/sync.hpp"
#include "hv/testing/catch.hpp"

#ifndef NDEBUG

#include <csignal>
#include <cstdio>
#include <mutex>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>

using namespace hv;

namespace {

/// Whether the body ends its process by abort(). It runs in a child.
template <typename Body>
bool aborts(Body body)
{
    auto const child = fork();
    if (child == 0) {
        (void)std::signal(SIGABRT, SIG_DFL); // not the test framework's handler
        (void)std::freopen("/dev/null", "w", stderr);
        body();
        _exit(0);
    }
    int status = 0;
    REQUIRE(waitpid(child, &status, 0) == child);
    return WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT;
}

Mutex<LockRank::Tables> tables;
Mutex<LockRank::Port> port;
Mutex<LockRank::Port> other_port;
Mutex<LockRank::Synic> synic;
Mutex<LockRank::Leaf> leaf;

} // namespace

TEST_CASE("locks taken in rising order are fine, also with gaps and in any order of release", "[sync]")
{
    CHECK_FALSE(aborts([] {
        std::unique_lock first{tables};
        std::unique_lock second{synic};
        first.unlock();
        std::unique_lock const third{leaf};
        second.unlock();
    }));
    CHECK_FALSE(aborts([] {
        {
            std::lock_guard const guard{leaf};
        }
        std::lock_guard const guard{tables};
    }));
}

TEST_CASE("a lock of an earlier rank, or a second of the same, aborts", "[sync]")
{
    CHECK(aborts([] {
        std::lock_guard const later{synic};
        std::lock_guard const earlier{port};
    }));
    CHECK(aborts([] {
        std::lock_guard const one{port};
        std::lock_guard const another{other_port};
    }));
    CHECK(aborts([] {
        std::lock_guard const earlier{tables};
        std::lock_guard const later{leaf};
        std::lock_guard const between{port};
    }));
}

TEST_CASE("the order is a thread's own, and acquisitions are counted", "[sync]")
{
    auto const before = locks_taken(LockRank::Port);
    std::lock_guard const later{synic};
    std::thread{[] {
        CHECK(locks_taken(LockRank::Port) == 0);
        std::lock_guard const earlier{port};
    }}.join();
    CHECK(locks_taken(LockRank::Port) == before);
}

#endif
