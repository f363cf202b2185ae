#include "vmm/host/open_file_limit.hpp"

#include <sys/resource.h>

namespace vmm {

void raise_open_file_limit()
{
    ::rlimit limit{};
    if (::getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur == limit.rlim_max) return;
    limit.rlim_cur = limit.rlim_max;
    ::setrlimit(RLIMIT_NOFILE, &limit); // refused, it stays as it was
}

} // namespace vmm
