#include "vmm/control/json_text.hpp"

#include "vmm/base/user_error.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>
#include <vector>

namespace vmm::control {

std::string to_text(nlohmann::json const& value)
{
    return value.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

nlohmann::json parse_json(std::string_view text, int deepest, std::string const& what)
{
    using nlohmann::json;
    std::string fault;
    std::vector<std::set<std::string>> keys; // of the objects that are open
    auto const keep = [&](int depth, json::parse_event_t event, json const& parsed) {
        using Event = json::parse_event_t;
        if (!fault.empty()) return false;
        if (event == Event::object_start) keys.emplace_back();
        if (event == Event::object_end) keys.pop_back();
        if ((event == Event::object_start || event == Event::array_start) && depth >= deepest)
            fault = " is nested too deeply: it has at most " + std::to_string(deepest) + " levels";
        if (event == Event::key && !keys.back().insert(parsed.get<std::string>()).second)
            fault = " has the key '" + printable(parsed.get<std::string>()) + "' twice in one object";
        return fault.empty();
    };
    auto parsed = json::parse(text.begin(), text.end(), keep, false);
    if (!fault.empty()) throw UserError{what + fault};
    if (parsed.is_discarded()) throw UserError{what + " is no JSON"};
    return parsed;
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
