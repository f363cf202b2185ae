#include "devices/base/os_error.hpp"

#include <cerrno>
#include <cstring>
#include <initializer_list>
#include <new>
#include <sys/resource.h>
#include <system_error>

namespace devices {

namespace {

struct Limit {
    int resource;
    char const* option; ///< of the shell's ulimit
    rlim_t unit;        ///< of its argument, in what getrlimit counts
};

constexpr Limit descriptors{RLIMIT_NOFILE, "-n", 1};
constexpr Limit threads{RLIMIT_NPROC, "-u", 1};
constexpr Limit pending_signals{RLIMIT_SIGPENDING, "-i", 1}; // a timer counts as one: timer_create(2)
constexpr Limit address_space{RLIMIT_AS, "-v", 1024};
constexpr Limit data{RLIMIT_DATA, "-d", 1024};
constexpr Limit locked{RLIMIT_MEMLOCK, "-l", 1024};

::rlimit value_of(Limit const& limit)
{
    ::rlimit now{RLIM_INFINITY, RLIM_INFINITY};
    (void)::getrlimit(static_cast<__rlimit_resource>(limit.resource), &now);
    return now;
}

/// "'ulimit -n' (now 1024)"
std::string describe(Limit const& limit)
{
    auto const now = value_of(limit);
    auto text = std::string{"'ulimit "} + limit.option + "' (now ";
    if (now.rlim_cur == RLIM_INFINITY) return text + "unlimited)";
    text += std::to_string(now.rlim_cur / limit.unit);
    return text + (now.rlim_cur == now.rlim_max ? ", and only root can raise it)" : ")");
}

/// " or 'ulimit -v' (now 1000)" for each that there is.
std::string or_those_of(std::initializer_list<Limit> limits)
{
    std::string text;
    for (auto const& limit : limits) {
        if (value_of(limit).rlim_cur != RLIM_INFINITY) text += " or " + describe(limit);
    }
    return text;
}

std::string advice(int error)
{
    switch (error) {
    case EMFILE: return ": raise " + describe(descriptors) + ", or run fewer guests, processors and disks";
    case ENFILE:
        return ": the whole host has too many; raise 'sysctl fs.file-max' ('ulimit -n' is about one process)";
    case EAGAIN:
        return ": no thread, timer or memory is left for this process; raise " + describe(threads) +
               or_those_of({pending_signals, address_space, data}) + ", or its cgroup's pids.max";
    case ENOMEM: {
        auto const limits = or_those_of({address_space, data, locked});
        return ": free memory on this host, or raise its cgroup's memory.max" + limits;
    }
    default: return {};
    }
}

} // namespace

std::string os_error(int error)
{
    return std::strerror(error) + advice(error);
}

std::string os_error(std::exception const& exception)
{
    if (dynamic_cast<std::bad_alloc const*>(&exception)) return os_error(ENOMEM);
    auto const* const system = dynamic_cast<std::system_error const*>(&exception);
    return exception.what() + (system ? advice(system->code().value()) : std::string{});
}

bool is_limit(int error)
{
    return error == EMFILE || error == ENFILE || error == EAGAIN || error == ENOMEM;
}

} // namespace devices
