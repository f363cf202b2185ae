/// What a control client asks for: one JSON object on one line (docs/control.md).
#pragma once

#include <cstddef>
#include <map>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <string_view>

namespace vmm::control {

/// The arguments of a request, each a string. A command takes those it knows and then refuses the rest.
class Arguments {
  public:
    Arguments() = default;
    explicit Arguments(std::map<std::string, std::string> values) : values_{std::move(values)} {}

    /// Throws UserError when it is missing.
    [[nodiscard]] std::string take(std::string const& name);
    [[nodiscard]] std::optional<std::string> take_optional(std::string const& name);
    /// Throws UserError when there is one that nobody took.
    void refuse_rest() const;

    [[nodiscard]] std::map<std::string, std::string> const& values() const { return values_; }

  private:
    std::map<std::string, std::string> values_;
};

struct Request {
    static constexpr std::size_t longest_line = std::size_t{64} << 10; ///< bytes, without the line's end

    std::string command{};
    std::optional<std::string> guest{}; ///< whom it is about, by name
    Arguments arguments{};
};

/// `line` is without its end and may be anything. Throws UserError that says in one line what is wrong with it.
[[nodiscard]] Request parse_request(std::string_view line);

/// The request as a line, with its end.
[[nodiscard]] std::string to_line(Request const& request);

} // namespace vmm::control
