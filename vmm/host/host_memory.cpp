#include "vmm/host/host_memory.hpp"

#include "vmm/user_error.hpp"

#include <fstream>
#include <iterator>
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

void check_host_memory(std::uint64_t bytes)
{
    std::ifstream file{"/proc/meminfo"};
    auto const total = host_memory(std::string{std::istreambuf_iterator<char>{file}, {}});
    if (total == 0 || bytes <= total) return;
    throw UserError{"--memory: the guest would have " + std::to_string(bytes >> 20) + " MiB and this host has " +
                    std::to_string(total >> 20) + " MiB, swap included: ask for less"};
}

} // namespace vmm
