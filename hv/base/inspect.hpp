/// What runs, as a tree of named values: for whoever looks into a running Porthole.
#pragma once

#include <array>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace hv {

/// Takes the tree, from the root down. A node's fields come between its `enter` and its `leave`.
class Inspector {
  public:
    Inspector() = default;
    Inspector(Inspector const&) = delete;
    Inspector& operator=(Inspector const&) = delete;
    virtual ~Inspector() = default;

    virtual void enter(std::string_view name) = 0;
    virtual void leave() = 0;
    virtual void number(std::string_view name, std::uint64_t value) = 0;
    virtual void text(std::string_view name, std::string_view value) = 0;
    virtual void flag(std::string_view name, bool value) = 0;

    /// A register: text in hexadecimal, with 0x.
    void hex(std::string_view name, std::uint64_t value)
    {
        std::array<char, 18> digits{'0', 'x'};
        auto const* const end = std::to_chars(digits.data() + 2, digits.data() + digits.size(), value, 16).ptr;
        text(name, {digits.data(), static_cast<std::size_t>(end - digits.data())});
    }
};

/// Is one node while it lives.
class InspectedNode {
  public:
    InspectedNode(Inspector& inspector, std::string_view name) : inspector_{inspector} { inspector_.enter(name); }
    InspectedNode(InspectedNode const&) = delete;
    InspectedNode& operator=(InspectedNode const&) = delete;
    ~InspectedNode() { inspector_.leave(); }

  private:
    Inspector& inspector_;
};

} // namespace hv
