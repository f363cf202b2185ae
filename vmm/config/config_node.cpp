#include "vmm/config/config_node.hpp"

#include <algorithm>

namespace vmm {

namespace {

std::string_view name_of(toml::node_type type)
{
    switch (type) {
    case toml::node_type::table: return "a table";
    case toml::node_type::array: return "an array";
    case toml::node_type::string: return "a string";
    case toml::node_type::integer: return "a whole number";
    case toml::node_type::floating_point: return "a fraction";
    case toml::node_type::boolean: return "true or false";
    case toml::node_type::date:
    case toml::node_type::time:
    case toml::node_type::date_time: return "a date or time";
    default: return "nothing";
    }
}

} // namespace

void refuse_at(std::string const& path, toml::source_position where, std::string_view complaint)
{
    auto message = path + ":" + std::to_string(where.line) + ":" + std::to_string(where.column) + ": ";
    message += complaint;
    std::ranges::replace_if(
        message, [](unsigned char c) { return c < ' ' || c == 0x7F; }, ' ');
    throw UserError{message};
}

void ConfigNode::refuse(std::string_view complaint) const
{
    refuse_at(*path_, where(), std::string{key_}.append(": ").append(complaint));
}

void ConfigNode::refuse_type(std::string_view wanted, std::string_view example) const
{
    std::string text{"is "};
    text.append(name_of(node_->type())).append(" and must be ").append(wanted);
    refuse(text.append(": write e.g. ").append(example));
}

std::string ConfigNode::text(std::string_view example) const
{
    auto value = text_or_nothing(example);
    if (value.empty()) refuse(std::string{"is empty: write e.g. "}.append(example));
    return value;
}

std::string ConfigNode::text_or_nothing(std::string_view example) const
{
    auto const* const value = node_->as_string();
    if (!value) refuse_type("a string", example);
    if (value->get().find('\0') != std::string::npos) refuse("contains a NUL character: leave it out");
    return value->get();
}

std::int64_t ConfigNode::number(std::string_view example) const
{
    auto const* const value = node_->as_integer();
    if (!value) refuse_type("a whole number", example);
    return value->get();
}

bool ConfigNode::truth(std::string_view example) const
{
    auto const* const value = node_->as_boolean();
    if (!value) refuse_type("true or false", example);
    return value->get();
}

std::vector<ConfigNode> ConfigNode::elements(std::string_view example) const
{
    auto const* const array = node_->as_array();
    if (!array) refuse_type("an array", example);
    std::vector<ConfigNode> out;
    for (auto const& element : *array)
        out.emplace_back(*path_, key_, element);
    return out;
}

std::vector<ConfigNode> ConfigNode::members(std::string_view example) const
{
    auto const* const table = node_->as_table();
    if (!table) refuse_type("a table", example);
    std::vector<ConfigNode> out;
    for (auto const& [name, value] : *table)
        out.emplace_back(*path_, name.str(), value);
    return out;
}

} // namespace vmm
