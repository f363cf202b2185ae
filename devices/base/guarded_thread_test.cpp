#include "devices/base/guarded_thread.hpp"
#include "hv/testing/catch.hpp"

#include <array>
#include <cstring>
#include <new>
#include <stdexcept>
#include <string>

using namespace devices;

TEST_CASE("what a contained body throws goes to its owner", "[threads]")
{
    std::string heard;
    auto const hear = [&](char const* what) { heard = what; };

    CHECK(contain([] {}, hear));
    CHECK(heard.empty());

    CHECK_FALSE(contain([] { throw std::runtime_error{"no server"}; }, hear));
    CHECK(heard == "no server");

    CHECK_FALSE(contain([] { throw std::bad_alloc{}; }, hear));
    CHECK(heard == std::bad_alloc{}.what());

    CHECK_FALSE(contain([] { throw 7; }, hear));
    CHECK(heard == "unknown exception");
}

TEST_CASE("an owner that throws as well ends nothing", "[threads]")
{
    CHECK_FALSE(contain([] { throw std::bad_alloc{}; }, [](char const*) { throw std::bad_alloc{}; }));
}

TEST_CASE("a guarded thread ends by itself when its body throws", "[threads]")
{
    std::string heard;
    auto thread = guarded_thread(
        ThreadRole::Opener, [] { throw std::bad_alloc{}; }, [&](char const* what) { heard = what; });
    thread.join();
    CHECK(heard == std::bad_alloc{}.what());
}

TEST_CASE("a guarded thread takes no signals, and its starter goes on taking them", "[threads]")
{
    sigset_t before{};
    pthread_sigmask(SIG_SETMASK, nullptr, &before);

    sigset_t inside{};
    auto thread = guarded_thread(
        ThreadRole::Opener, [&] { pthread_sigmask(SIG_SETMASK, nullptr, &inside); }, [](char const*) {});
    thread.join();

    sigset_t after{};
    pthread_sigmask(SIG_SETMASK, nullptr, &after);
    CHECK(sigismember(&inside, SIGTERM) == 1);
    CHECK(sigismember(&inside, SIGRTMIN) == 1);
    CHECK(sigismember(&inside, SIGSYS) == 0); // a system call that is not allowed is told of by it
    CHECK(sigismember(&after, SIGTERM) == sigismember(&before, SIGTERM));
}

TEST_CASE("A thread is named by its role, and what was set is called on it before its body", "[threads]")
{
    constexpr std::size_t name_bytes = 16;
    static std::array<char, name_bytes> name{};
    static ThreadRole role{};
    set_on_thread_begin([](ThreadRole begun) {
        pthread_getname_np(pthread_self(), name.data(), name.size());
        role = begun;
    });
    std::string seen;
    guarded_thread(
        ThreadRole::NbdClient, [&] { seen = name.data(); }, [](char const*) {})
        .join();
    set_on_thread_begin(nullptr);
    CHECK(role == ThreadRole::NbdClient);
    CHECK(seen == "nbd");

    for (unsigned i = 0; i < thread_roles; ++i)
        CHECK(std::strlen(name_of(static_cast<ThreadRole>(i))) < name_bytes);
}
