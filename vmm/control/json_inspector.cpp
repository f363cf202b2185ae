#include "vmm/control/json_inspector.hpp"

#include <utility>

namespace vmm::control {

void JsonInspector::enter(std::string_view name)
{
    nodes_.push_back(nullptr);
    auto* const parent = nodes_[nodes_.size() - 2];
    if (!parent || !has_room()) return;
    auto unique = std::string{name};
    for (unsigned n = 2; parent->contains(unique); ++n)
        unique = std::string{name} + " (" + std::to_string(n) + ")";
    nodes_.back() = &((*parent)[unique] = nlohmann::json::object());
}

void JsonInspector::leave()
{
    nodes_.pop_back();
}

void JsonInspector::text(std::string_view name, std::string_view value)
{
    keep(name, value.substr(0, longest_text));
}

nlohmann::json JsonInspector::take()
{
    if (values_ > most_values) root_["truncated"] = true;
    return std::move(root_);
}

void JsonInspector::keep(std::string_view name, nlohmann::json value)
{
    if (nodes_.back() && has_room()) (*nodes_.back())[std::string{name}] = std::move(value);
}

} // namespace vmm::control
