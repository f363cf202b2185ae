#include "vmm/control/request.hpp"

#include "vmm/base/user_error.hpp"
#include "vmm/control/json_text.hpp"

#include <nlohmann/json.hpp>

namespace vmm::control {

namespace {

using nlohmann::json;

constexpr auto example = R"(write for example {"execute": "status"})";

std::string text_of(json const& value, std::string const& key)
{
    if (!value.is_string()) throw UserError{"'" + printable(key) + "' is not a string"};
    auto text = value.get<std::string>();
    if (text.find('\0') != std::string::npos) throw UserError{"'" + printable(key) + "' contains a NUL character"};
    return text;
}

Arguments arguments_of(json const& value)
{
    if (!value.is_object()) throw UserError{"'arguments' is no JSON object"};
    std::map<std::string, std::string> arguments;
    for (auto const& [key, argument] : value.items())
        arguments.emplace(key, text_of(argument, key));
    return Arguments{std::move(arguments)};
}

} // namespace

std::string Arguments::take(std::string const& name)
{
    auto value = take_optional(name);
    if (!value) throw UserError{"the argument '" + name + "' is missing"};
    return std::move(*value);
}

std::optional<std::string> Arguments::take_optional(std::string const& name)
{
    auto const found = values_.find(name);
    if (found == values_.end()) return std::nullopt;
    auto value = std::move(found->second);
    values_.erase(found);
    return value;
}

void Arguments::refuse_rest() const
{
    if (values_.empty()) return;
    throw UserError{"this command has no argument '" + printable(values_.begin()->first) + "'"};
}

Request parse_request(std::string_view line)
{
    constexpr int deepest = 2; // the request, and its arguments
    auto const parsed = parse_json(line, deepest, "the request");
    if (!parsed.is_object()) throw UserError{std::string{"the request is no JSON object: "} + example};
    Request request;
    for (auto const& [key, value] : parsed.items()) {
        if (key == "execute")
            request.command = text_of(value, key);
        else if (key == "guest")
            request.guest = text_of(value, key);
        else if (key == "arguments")
            request.arguments = arguments_of(value);
        else
            throw UserError{"a request has no '" + printable(key) + "': it has 'execute', 'guest' and 'arguments'"};
    }
    if (request.command.empty()) throw UserError{std::string{"the request names no command: "} + example};
    return request;
}

std::string to_line(Request const& request)
{
    json line{{"execute", request.command}};
    if (request.guest) line["guest"] = *request.guest;
    if (!request.arguments.values().empty()) line["arguments"] = request.arguments.values();
    return to_text(line) + "\n";
}

} // namespace vmm::control
