#include "vmm/control/json_text.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>

namespace vmm::control {

std::string to_text(nlohmann::json const& value)
{
    return value.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

std::string printable(std::string_view name)
{
    constexpr std::size_t longest = 64;
    std::string text{name.substr(0, longest)};
    std::ranges::replace_if(
        text, [](unsigned char c) { return c < 0x20 || c == 0x7F; }, '?');
    return name.size() > longest ? text + "…" : text;
}

} // namespace vmm::control
