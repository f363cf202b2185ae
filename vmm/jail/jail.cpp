#include "vmm/jail/jail.hpp"

#include "devices/base/os_error.hpp"
#include "devices/block/nbd_library.hpp"
#include "devices/vnc/vnc_server.hpp"
#include "vmm/base/user_error.hpp"
#include "vmm/jail/identity.hpp"
#include "vmm/jail/load_program.hpp"
#include "vmm/jail/privileges.hpp"
#include "vmm/jail/run_files.hpp"
#include "vmm/jail/thread_programs.hpp"
#include "vmm/jail/violation.hpp"

#include <linux/capability.h>

#include <atomic>
#include <cerrno>
#include <mutex>
#include <sys/resource.h>
#include <unistd.h>

namespace {

std::atomic<bool> closed{false};

} // namespace

/// Looking for leaks at the end takes a process that traces this one: nothing for a jail. Called in builds with
/// LeakSanitizer (sanitizer/lsan_interface.h).
extern "C" int __lsan_is_turned_off(); // NOLINT(bugprone-reserved-identifier): its name
extern "C" int __lsan_is_turned_off()
{
    return closed.load() ? 1 : 0;
}

namespace vmm::jail {

namespace {

using devices::ThreadRole;

/// Held while a thread that begins is confined: what goes wrong at the start may end the jail meanwhile.
std::mutex the_ones_lock;
Jail const* the_one = nullptr;

/// What root opens files, interfaces and ports by. Everything else goes at once.
constexpr Capabilities for_opening = 1U << CAP_DAC_OVERRIDE | 1U << CAP_DAC_READ_SEARCH | 1U << CAP_FOWNER |
                                     1U << CAP_NET_ADMIN | 1U << CAP_NET_BIND_SERVICE |
                                     1U << CAP_NET_RAW; // a helper pings

void load_display_library(RunOptions const& options)
{
    using devices::vnc::Passwords;
    try {
        devices::vnc::load_library(has_vnc_password(options) ? Passwords::Yes : Passwords::No);
    } catch (std::exception const&) { // who makes the display says so
    }
}

void load_server_library()
{
    try {
        (void)devices::block::nbd_library();
    } catch (std::exception const&) { // who opens the disk says so
    }
}

} // namespace

Jail::Jail(RunOptions const& options) : options_{options}
{
    auto const& wanted = options.jail;
    // Where /usr still is, and code may be mapped.
    if (wanted.seccomp && (has_servers(options) || has_served_images(options))) load_server_library();
    if (has_vnc(options)) load_display_library(options);
    if (wanted.privileges) close_inherited(named_descriptors(options));
    if (wanted.privileges) drop_bounding_capabilities(wanted.user.empty() ? for_opening : 0);
    if (!wanted.chroot.empty()) closed.store(true); // no /proc, perhaps
    assume_identity(wanted, has_user_network(options));
    for (auto const& folder : wanted.folders)
        if (folder != JailOptions::servers && ::access(folder.c_str(), X_OK) != 0)
            throw UserError{"--allow " + folder + ": " + devices::os_error(errno) + ": name a folder"};
    look_for_missing();
    if (wanted.privileges) {
        drop_capabilities(for_opening);
        limit(RLIMIT_CORE, 0);
        limit(RLIMIT_MSGQUEUE, 0);
    }
    if (wanted.privileges || wanted.seccomp || wanted.landlock) forbid_new_privileges();
    if (wanted.landlock && Landlock::version() != 0) files_.emplace(rules_for(options));
    filters_ = wanted.seccomp && filters_supported();
    if (filters_) tell_violations();
    {
        std::lock_guard const guard{the_ones_lock};
        the_one = this;
    }
    devices::set_on_thread_begin(&Jail::confine_thread);
}

Jail::~Jail()
{
    devices::set_on_thread_begin(nullptr);
    std::lock_guard const guard{the_ones_lock};
    the_one = nullptr;
}

void Jail::look_for_missing()
{
    std::string lacks;
    if (options_.jail.seccomp && !filters_supported()) lacks = "seccomp filters";
    if (options_.jail.landlock && Landlock::version() == 0) lacks += lacks.empty() ? "landlock" : " and landlock";
    if (lacks.empty()) return;
    missing_ = "this kernel, or the container, has no " + lacks;
    if (options_.jail.strict)
        throw UserError{"--jail strict: " + missing_ + ": see porthole doctor, or leave strict out"};
    missing_ += ": the jail goes without (--jail chooses its layers)";
}

void Jail::confine_thread(ThreadRole role)
{
    std::lock_guard const guard{the_ones_lock};
    if (!the_one || role == ThreadRole::Session) return;
    try {
        the_one->confine(role);
    } catch (std::exception const& error) { // nothing runs outside the jail
        end_unconfined(devices::name_of(role), error.what());
    }
}

/// What opens files at the start keeps the capabilities of who started it.
void Jail::confine(ThreadRole role) const
{
    if (options_.jail.privileges && role != ThreadRole::Opener) drop_capabilities();
    if (files_) (void)files_->restrict_self();
    if (filters_) load_program(thread_program(role, {.servers = has_servers(options_)}));
}

void Jail::close()
{
    if (options_.jail.privileges) forbid_dumps();
    closed.store(filters_ || files_); // no process may be started, or no file of /proc opened
    confine(ThreadRole::Session);
}

} // namespace vmm::jail
