/// An Inspector that keeps what it is told, as text by path: "ports/7/type".
#pragma once

#include "hv/base/inspect.hpp"

#include <algorithm>
#include <cstddef>
#include <map>
#include <string>
#include <vector>

namespace hv::testing {

class Inspected final : public Inspector {
  public:
    void enter(std::string_view name) override { nodes_.emplace_back(name); }
    void leave() override { nodes_.pop_back(); }
    void number(std::string_view name, std::uint64_t value) override { keep(name, std::to_string(value)); }
    void text(std::string_view name, std::string_view value) override { keep(name, std::string{value}); }
    void flag(std::string_view name, bool value) override { keep(name, value ? "true" : "false"); }

    /// Empty when there is no such value.
    [[nodiscard]] std::string at(std::string const& path) const
    {
        auto const found = values_.find(path);
        return found == values_.end() ? std::string{} : found->second;
    }
    /// How many nodes a node has that have values.
    [[nodiscard]] std::size_t nodes_below(std::string const& node) const
    {
        std::vector<std::string> names;
        for (auto const& [path, value] : values_) {
            if (!path.starts_with(node + "/")) continue;
            auto const rest = path.substr(node.size() + 1);
            if (auto const slash = rest.find('/'); slash != std::string::npos) names.push_back(rest.substr(0, slash));
        }
        names.erase(std::unique(names.begin(), names.end()), names.end());
        return names.size();
    }

  private:
    void keep(std::string_view name, std::string value)
    {
        std::string path;
        for (auto const& node : nodes_)
            path.append(node).append("/");
        values_[path.append(name)] = std::move(value);
    }

    std::vector<std::string> nodes_;
    std::map<std::string, std::string> values_;
};

} // namespace hv::testing
