/// What the threads of the process are for. By their roles they are named, and confined to the system calls that
/// they need.
#pragma once

#include <cstdint>

namespace devices {

enum class ThreadRole : std::uint8_t {
    Session,     ///< builds, starts and ends guests
    Events,      ///< the event loop, which all guests share
    Vcpu,        ///< runs one VP, and its devices' work while they have it
    DiskRing,    ///< completions of a disk image's io_uring
    NbdClient,   ///< a connection to an NBD server
    Opener,      ///< opens what may take long: a disk image, a connection; and closes it
    Tap,         ///< frames of a network interface of the host's
    UserNetwork, ///< frames of a user-mode network
    Display,     ///< a screen, for viewers over the network
    Relay,       ///< bytes between a guest's sockets and the host's
    LineWriter,  ///< writes messages, a log or a trace
    Builder,     ///< makes the virtual machines of a guest's children
    Tpm,         ///< has a TPM's commands carried out
};
inline constexpr unsigned thread_roles = static_cast<unsigned>(ThreadRole::Tpm) + 1;

/// At most 15 bytes, as the kernel shows threads.
[[nodiscard]] char const* name_of(ThreadRole role);

/// What is called on each thread when it begins, before its body. nullptr, as at first, for nothing. Set while there
/// is one thread.
using OnThreadBegin = void (*)(ThreadRole);
void set_on_thread_begin(OnThreadBegin function);

/// Names the calling thread, and calls what was set.
void begin_thread(ThreadRole role);
void begin_thread(ThreadRole role, char const* name);

} // namespace devices
