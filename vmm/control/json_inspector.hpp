/// The tree that an hv::Inspector is told, as JSON.
#pragma once

#include "hv/base/inspect.hpp"

#include <cstddef>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

namespace vmm::control {

/// Keeps so many values and nodes at most, whatever it is told; then the tree says "truncated".
class JsonInspector final : public hv::Inspector {
  public:
    static constexpr std::size_t most_values = 20'000;
    static constexpr std::size_t longest_text = 1024; ///< bytes; the rest is cut off

    void enter(std::string_view name) override;
    void leave() override;
    void number(std::string_view name, std::uint64_t value) override { keep(name, value); }
    void text(std::string_view name, std::string_view value) override;
    void flag(std::string_view name, bool value) override { keep(name, value); }

    /// Puts a tree that was made elsewhere under a name.
    void graft(std::string_view name, nlohmann::json tree) { keep(name, std::move(tree)); }
    /// With every node left.
    [[nodiscard]] nlohmann::json take();

  private:
    [[nodiscard]] bool has_room() { return ++values_ <= most_values; }
    void keep(std::string_view name, nlohmann::json value);

    nlohmann::json root_ = nlohmann::json::object();
    std::vector<nlohmann::json*> nodes_{&root_}; ///< nullptr: one that is not kept
    std::size_t values_ = 0;
};

} // namespace vmm::control
