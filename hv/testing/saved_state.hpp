/// A component's state on its way from one machine to another.
#pragma once

#include "hv/base/state.hpp"

#include <algorithm>
#include <cstdint>
#include <map>
#include <stdexcept>
#include <string>
#include <vector>

namespace hv::testing {

class SavedState {
  public:
    template <typename Device>
    void save(Device& device)
    {
        Saver saver{fields_};
        device.visit(saver);
    }
    template <typename Device>
    void restore(Device& device)
    {
        Restorer restorer{fields_};
        device.visit(restorer);
    }

    using Fields = std::map<std::string, std::vector<std::uint8_t>, std::less<>>;
    [[nodiscard]] Fields const& fields() const { return fields_; }

  private:
    /// Names of fields with those of the nodes that they are in.
    class Path {
      public:
        void enter(std::string_view name) { nodes_.push_back(within(name)); }
        void leave() { nodes_.pop_back(); }
        [[nodiscard]] std::string within(std::string_view name) const
        {
            return (nodes_.empty() ? std::string{} : nodes_.back() + '/') + std::string{name};
        }

      private:
        std::vector<std::string> nodes_;
    };

    class Saver final : public StateVisitor {
      public:
        explicit Saver(Fields& fields) : fields_{fields} {}
        void number(std::string_view name, std::uint64_t& value) override
        {
            std::vector<std::uint8_t> bytes(sizeof value);
            for (std::size_t i = 0; i < bytes.size(); ++i)
                bytes[i] = static_cast<std::uint8_t>(value >> (8 * i));
            keep(name, std::move(bytes));
        }
        void flag(std::string_view name, bool& value) override { keep(name, {std::uint8_t{value}}); }
        void bytes(std::string_view name, std::span<std::uint8_t> value) override
        {
            keep(name, {value.begin(), value.end()});
        }
        void blob(std::string_view name, std::vector<std::byte>& value, std::size_t most) override
        {
            if (value.size() > most) throw std::logic_error{"more bytes than the most: " + path_.within(name)};
            std::vector<std::uint8_t> bytes;
            for (auto const byte : value)
                bytes.push_back(std::to_integer<std::uint8_t>(byte));
            keep(name, std::move(bytes));
        }
        void enter(std::string_view name) override { path_.enter(name); }
        void leave() override { path_.leave(); }

      private:
        void keep(std::string_view name, std::vector<std::uint8_t> value)
        {
            auto const full = path_.within(name);
            if (!fields_.emplace(full, std::move(value)).second)
                throw std::logic_error{"a name comes twice: " + full};
        }
        Fields& fields_;
        Path path_;
    };

    class Restorer final : public StateVisitor {
      public:
        explicit Restorer(Fields const& fields) : fields_{fields} {}
        void number(std::string_view name, std::uint64_t& value) override
        {
            auto const& bytes = saved(name);
            value = 0;
            for (std::size_t i = 0; i < bytes.size(); ++i)
                value |= std::uint64_t{bytes[i]} << (8 * i);
        }
        void flag(std::string_view name, bool& value) override { value = saved(name).front() != 0; }
        void bytes(std::string_view name, std::span<std::uint8_t> value) override
        {
            std::ranges::copy(saved(name), value.begin());
        }
        void blob(std::string_view name, std::vector<std::byte>& value, std::size_t) override
        {
            value.clear();
            for (auto const byte : saved(name))
                value.push_back(std::byte{byte});
        }
        void enter(std::string_view name) override { path_.enter(name); }
        void leave() override { path_.leave(); }
        [[nodiscard]] bool restores() const override { return true; }

      private:
        [[nodiscard]] std::vector<std::uint8_t> const& saved(std::string_view name) const
        {
            auto const found = fields_.find(path_.within(name));
            if (found == fields_.end()) throw std::logic_error{"was not saved: " + path_.within(name)};
            return found->second;
        }
        Fields const& fields_;
        Path path_;
    };

    Fields fields_;
};

/// Puts back what nobody has saved: every number, byte and list is as large as can be.
class LyingState final : public StateVisitor {
  public:
    void number(std::string_view, std::uint64_t& value) override { value = ~std::uint64_t{0}; }
    void flag(std::string_view, bool& value) override { value = true; }
    void bytes(std::string_view, std::span<std::uint8_t> value) override
    {
        std::ranges::fill(value, std::uint8_t{0xFF});
    }
    void blob(std::string_view, std::vector<std::byte>& value, std::size_t most) override
    {
        value.assign(most, std::byte{0xFF});
    }
    void enter(std::string_view) override {}
    void leave() override {}
    [[nodiscard]] bool restores() const override { return true; }
};

} // namespace hv::testing
