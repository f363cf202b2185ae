#include "devices/base/thread_role.hpp"

#include <atomic>
#include <pthread.h>

namespace devices {

namespace {

std::atomic<OnThreadBegin> on_thread_begin{nullptr};

} // namespace

char const* name_of(ThreadRole role)
{
    switch (role) {
    case ThreadRole::Session: return "session";
    case ThreadRole::Events: return "events";
    case ThreadRole::Vcpu: return "vcpu";
    case ThreadRole::DiskRing: return "disk ring";
    case ThreadRole::NbdClient: return "nbd";
    case ThreadRole::Opener: return "opener";
    case ThreadRole::Tap: return "tap";
    case ThreadRole::UserNetwork: return "user network";
    case ThreadRole::Display: return "display";
    case ThreadRole::Relay: return "socket relay";
    case ThreadRole::LineWriter: return "lines";
    case ThreadRole::Builder: return "builder";
    case ThreadRole::Tpm: return "tpm";
    }
    return "unknown";
}

void set_on_thread_begin(OnThreadBegin function)
{
    on_thread_begin.store(function);
}

void begin_thread(ThreadRole role)
{
    begin_thread(role, name_of(role));
}

void begin_thread(ThreadRole role, char const* name)
{
    pthread_setname_np(pthread_self(), name);
    if (auto const function = on_thread_begin.load()) function(role);
}

} // namespace devices
