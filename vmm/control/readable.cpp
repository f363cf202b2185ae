#include "vmm/control/readable.hpp"

#include "vmm/control/json_text.hpp"

#include <nlohmann/json.hpp>

namespace vmm::control {

namespace {

using nlohmann::json;

std::string one_line(json const& value)
{
    if (!value.is_string()) return to_text(value);
    auto text = value.get<std::string>();
    for (auto& c : text)
        if (static_cast<unsigned char>(c) < 0x20 || c == 0x7F) c = '?';
    return text;
}

void append(std::string& out, std::string const& name, json const& value, std::size_t depth)
{
    out.append(2 * depth, ' ').append(name);
    if (!value.is_structured()) {
        out.append(": ").append(one_line(value)).append("\n");
        return;
    }
    out.append(":\n");
    for (auto const& [key, member] : value.items())
        append(out, one_line(key), member, depth + 1);
}

} // namespace

std::string to_readable(json const& value)
{
    if (!value.is_structured()) return one_line(value) + "\n";
    std::string out;
    for (auto const& [key, member] : value.items())
        append(out, one_line(key), member, 0);
    return out;
}

} // namespace vmm::control
