#include "hv/hypercall/field.hpp"

#include <array>
#include <charconv>

namespace hv::fields {

std::string as_hex(std::uint64_t value)
{
    std::array<char, 16> digits{};
    auto const end = std::to_chars(digits.data(), digits.data() + digits.size(), value, 16).ptr;
    return "0x" + std::string{digits.data(), end};
}

std::string as_decimal(std::uint64_t value)
{
    return std::to_string(value);
}

std::string port_info(abi::PortInfo const& info)
{
    auto const target = ", SINT" + as_decimal(info.target_sint) + " VP " + as_hex(info.target_vp);
    switch (info.type) {
    case abi::PortType::Message: return "message port" + target;
    case abi::PortType::Event:
        return "event port" + target + " flags " + as_decimal(info.base_flag) + '+' + as_decimal(info.flag_count);
    case abi::PortType::Monitor: return "monitor port, page " + as_hex(info.monitor_address());
    default: return "port of type " + as_decimal(static_cast<std::uint32_t>(info.type));
    }
}

std::string interrupt_control(abi::InterruptControl const& control)
{
    return as_decimal(static_cast<std::uint32_t>(control.type)) + (control.level_triggered() ? " level" : "") +
           (control.logical_destination() ? " logical" : "");
}

} // namespace hv::fields
