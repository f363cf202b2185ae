#include "hv/partition/installed_intercepts.hpp"

namespace hv {

namespace {

using abi::InterceptType;
using namespace abi::intercept_access;

/// §9.1.1: which accesses an intercept may be installed for.
constexpr std::uint32_t port_access = read_mask | write_mask;

} // namespace

Status InstalledIntercepts::install(abi::InstallInterceptInput const& in)
{
    constexpr std::uint64_t port_mask = ports - 1;
    constexpr unsigned end_shift = 16;
    switch (in.type) {
    case InterceptType::IoPort:
        if ((in.access & ~port_access) != 0 || in.parameter > port_mask) return Status::InvalidParameter;
        set_port(in.parameter, in.access);
        return Status::Success;
    case InterceptType::IoPortRange: {
        auto const first = in.parameter & port_mask;
        auto const last = in.parameter >> end_shift;
        if ((in.access & ~port_access) != 0 || last > port_mask || last < first) return Status::InvalidParameter;
        for (auto port = first; port <= last; ++port)
            set_port(port, in.access);
        return Status::Success;
    }
    case InterceptType::Msr:
        if ((in.access & ~port_access) != 0) return Status::InvalidParameter;
        msrs_.store(in.access);
        return Status::Success;
    case InterceptType::Cpuid:
    case InterceptType::Exception:
        if ((in.access & ~execute_mask) != 0) return Status::InvalidParameter;
        break;
    default: return Status::InvalidParameter;
    }
    return in.access == 0 ? Status::Success : Status::OperationDenied; // to take away what is not there is no error
}

void InstalledIntercepts::set_port(std::size_t port, std::uint64_t access)
{
    if (all_ports_) return;
    auto const shift = 2 * port % bits_a_word;
    auto& word = ports_[2 * port / bits_a_word];
    auto old = word.load();
    while (!word.compare_exchange_weak(old, (old & ~(std::uint64_t{port_access} << shift)) | access << shift)) {
    }
}

bool InstalledIntercepts::has_msr(bool is_write) const
{
    return (msrs_.load() & (is_write ? write_mask : read_mask)) != 0;
}

bool InstalledIntercepts::has_port(std::uint16_t port, std::uint8_t size, bool is_write) const
{
    if (all_ports_) return true;
    for (std::size_t at = port; at < std::size_t{port} + size && at < ports; ++at) {
        auto const bits = ports_[2 * at / bits_a_word].load() >> 2 * at % bits_a_word;
        if ((bits & (is_write ? write_mask : read_mask)) != 0) return true;
    }
    return false;
}

} // namespace hv
