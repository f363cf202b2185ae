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

      private:
        void keep(std::string_view name, std::vector<std::uint8_t> value)
        {
            if (!fields_.emplace(name, std::move(value)).second) throw std::logic_error{"a name comes twice"};
        }
        Fields& fields_;
    };

    class Restorer final : public StateVisitor {
      public:
        explicit Restorer(Fields const& fields) : fields_{fields} {}
        void number(std::string_view name, std::uint64_t& value) override
        {
            auto const& bytes = fields_.find(name)->second;
            value = 0;
            for (std::size_t i = 0; i < bytes.size(); ++i)
                value |= std::uint64_t{bytes[i]} << (8 * i);
        }
        void flag(std::string_view name, bool& value) override { value = fields_.find(name)->second.front() != 0; }
        void bytes(std::string_view name, std::span<std::uint8_t> value) override
        {
            std::ranges::copy(fields_.find(name)->second, value.begin());
        }
        [[nodiscard]] bool restores() const override { return true; }

      private:
        Fields const& fields_;
    };

    Fields fields_;
};

} // namespace hv::testing
