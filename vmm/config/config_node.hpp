/// One value of a configuration file and where it stands, so that a complaint about it can say so.
#pragma once

#include "vmm/user_error.hpp"

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

// toml++ 3.3.0 asserts what its parser then checks and complains about (a key that begins with a control character).
#define TOML_ASSERT(expression) static_assert(true)
#include <toml++/toml.h>

namespace vmm {

/// Throws UserError: "PATH:LINE:COLUMN: COMPLAINT", on one line whatever the text.
[[noreturn]] void refuse_at(std::string const& path, toml::source_position where, std::string_view complaint);

class ConfigNode {
  public:
    /// `key` is the value's, for messages. All must outlive this object.
    ConfigNode(std::string const& path, std::string_view key, toml::node const& node)
        : path_{&path}, key_{key}, node_{&node}
    {}

    [[nodiscard]] std::string_view key() const { return key_; }
    [[nodiscard]] toml::source_position where() const { return node_->source().begin; }

    /// "KEY: COMPLAINT", with the value's place.
    [[noreturn]] void refuse(std::string_view complaint) const;

    /// The value as text; not empty, and without NUL. `example` shows how the key is written.
    [[nodiscard]] std::string text(std::string_view example) const;
    [[nodiscard]] std::string text_or_nothing(std::string_view example) const; ///< the same, but it may be empty
    [[nodiscard]] std::int64_t number(std::string_view example) const;
    [[nodiscard]] bool truth(std::string_view example) const;
    /// An array, whose elements are yet to be checked.
    [[nodiscard]] std::vector<ConfigNode> elements(std::string_view example) const;
    [[nodiscard]] bool is_array() const { return node_->is_array(); }

    /// Calls `parse` and adds the value's place to a UserError.
    template <typename Parse>
    auto placed(Parse const& parse) const
    {
        try {
            return parse();
        } catch (UserError const& e) {
            refuse_at(*path_, where(), e.what());
        }
    }

  private:
    [[noreturn]] void refuse_type(std::string_view wanted, std::string_view example) const;

    std::string const* path_;
    std::string_view key_;
    toml::node const* node_;
};

} // namespace vmm
