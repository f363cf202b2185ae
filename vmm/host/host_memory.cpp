#include "vmm/host/host_memory.hpp"

#include "vmm/base/user_error.hpp"

#include <fstream>
#include <iterator>
#include <limits>
#include <sstream>
#include <string>

namespace vmm {

std::uint64_t host_memory(std::string_view meminfo)
{
    std::uint64_t total = 0;
    std::istringstream lines{std::string{meminfo}};
    for (std::string line; std::getline(lines, line);) {
        std::istringstream words{line};
        std::string key;
        std::uint64_t kib = 0;
        if (words >> key >> kib && (key == "MemTotal:" || key == "SwapTotal:")) total += kib * 1024;
    }
    return total;
}

bool host_overcommits()
{
    std::ifstream file{"/proc/sys/vm/overcommit_memory"};
    int mode = 0;
    constexpr int always = 1; // proc_sys_vm(5)
    return file >> mode && mode == always;
}

void check_host_memory(std::span<GuestOptions const> guests, bool overcommit)
{
    if (overcommit) return;
    std::uint64_t bytes = 0;
    for (auto const& guest : guests) {
        constexpr auto most = std::numeric_limits<std::uint64_t>::max();
        bytes = guest.memory > most - bytes ? most : bytes + guest.memory;
    }
    std::ifstream file{"/proc/meminfo"};
    auto const total = host_memory(std::string{std::istreambuf_iterator<char>{file}, {}});
    if (total == 0 || bytes <= total) return;
    auto const who = guests.size() == 1 ? guests.front().designation() : "the guests together";
    throw UserError{(guests.front().name.empty() ? "--memory: " : "memory: ") + who + " would have " +
                    std::to_string(bytes >> 20) + " MiB and this host has " + std::to_string(total >> 20) +
                    " MiB, swap included: ask for less, or have it overcommit (sysctl vm.overcommit_memory=1)"};
}

} // namespace vmm
