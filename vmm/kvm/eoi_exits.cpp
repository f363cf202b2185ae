#include "vmm/kvm/eoi_exits.hpp"

#include <algorithm>
#include <array>
#include <fstream>

namespace vmm {

bool eoi_exits(std::string const& modules)
{
    constexpr std::array parameters{"/kvm_intel/parameters/enable_apicv", "/kvm_amd/parameters/avic"};
    return std::ranges::any_of(parameters, [&](char const* parameter) {
        std::ifstream file{modules + parameter};
        std::string value;
        return file >> value && (value == "N" || value == "0");
    });
}

} // namespace vmm
