/// A component's state: one plain structure that names its fields once. One `visit` of them serves who shows the
/// state, saves it, or puts back what was saved.
#pragma once

#include "hv/base/inspect.hpp"

#include <algorithm>
#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <span>
#include <string>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <vector>

namespace hv {

/// Hears of each field of a component's state, in order, and may change it.
class StateVisitor {
  public:
    StateVisitor() = default;
    StateVisitor(StateVisitor const&) = delete;
    StateVisitor& operator=(StateVisitor const&) = delete;
    virtual ~StateVisitor() = default;

    virtual void number(std::string_view name, std::uint64_t& value) = 0;
    virtual void flag(std::string_view name, bool& value) = 0;
    virtual void bytes(std::string_view name, std::span<std::uint8_t> value) = 0;
    /// Bytes of any number up to `most`.
    virtual void blob(std::string_view name, std::vector<std::byte>& value, std::size_t most) = 0;
    /// What comes between the two has names of its own.
    virtual void enter(std::string_view name) = 0;
    virtual void leave() = 0;
    /// Whether it puts back what was saved: then the component makes good what follows from its state.
    [[nodiscard]] virtual bool restores() const { return false; }
};

/// Is one node while it lives.
class VisitedNode {
  public:
    VisitedNode(StateVisitor& visitor, std::string_view name) : visitor_{visitor} { visitor_.enter(name); }
    VisitedNode(VisitedNode const&) = delete;
    VisitedNode& operator=(VisitedNode const&) = delete;
    ~VisitedNode() { visitor_.leave(); }

  private:
    StateVisitor& visitor_;
};

/// Whether a field is for people who look at the state.
enum class Shown { No, Yes };

template <typename State, typename Type>
struct StateField {
    std::string_view name;
    Type State::*member;
    Shown shown = Shown::No;
    std::size_t most = 0; ///< of a list: it has no more elements, whatever was saved
};

template <typename State>
void visit(StateVisitor& visitor, State& state);

namespace detail {

/// Stands for whatever a member is initialised with.
struct Anything {
    template <typename Type>
    constexpr operator Type() const; // NOLINT(google-explicit-constructor)
};

template <typename State, typename... Members>
consteval std::size_t member_count()
{
    if constexpr (requires { State{Members{}..., Anything{}}; })
        return member_count<State, Members..., Anything>();
    else
        return sizeof...(Members);
}

template <typename State>
consteval bool has_distinct_names()
{
    return std::apply(
        [](auto const&... field) {
            std::array const names{field.name...};
            for (std::size_t i = 0; i < names.size(); ++i)
                for (std::size_t j = 0; j < i; ++j)
                    if (names[i] == names[j]) return false;
            return true;
        },
        State::fields());
}

template <typename Type>
inline constexpr bool is_list = false;
template <typename Type>
inline constexpr bool is_list<std::vector<Type>> = true;
template <typename Type>
inline constexpr bool is_list<std::deque<Type>> = true;

template <typename Type>
inline constexpr bool is_bytes = false;
template <std::size_t Size>
inline constexpr bool is_bytes<std::array<std::uint8_t, Size>> = true;
template <std::size_t Size>
inline constexpr bool is_bytes<std::array<std::byte, Size>> = true;

template <typename Type>
void visit_value(StateVisitor& visitor, std::string_view name, Type& value, std::size_t most);

template <typename Elements>
void visit_elements(StateVisitor& visitor, Elements& elements)
{
    std::size_t number = 0;
    for (auto& element : elements)
        visit_value(visitor, std::to_string(number++), element, 0);
}

template <typename Type>
void visit_value(StateVisitor& visitor, std::string_view name, Type& value, std::size_t most)
{
    if constexpr (std::is_same_v<Type, bool>) {
        visitor.flag(name, value);
    } else if constexpr (std::is_integral_v<Type> || std::is_enum_v<Type>) {
        auto number = static_cast<std::uint64_t>(value);
        visitor.number(name, number);
        value = static_cast<Type>(number);
    } else if constexpr (requires { typename Type::rep; }) { // a duration
        auto number = static_cast<std::uint64_t>(value.count());
        visitor.number(name, number);
        value = Type{static_cast<typename Type::rep>(number)};
    } else if constexpr (is_bytes<Type>) {
        visitor.bytes(name, {reinterpret_cast<std::uint8_t*>(value.data()), value.size()});
    } else if constexpr (std::is_same_v<Type, std::vector<std::byte>>) {
        visitor.blob(name, value, most);
    } else if constexpr (is_list<Type>) {
        VisitedNode const node{visitor, name};
        std::uint64_t count = value.size();
        visitor.number("count", count);
        value.resize(std::min<std::uint64_t>(count, std::max(most, value.size())));
        visit_elements(visitor, value);
    } else if constexpr (requires { value.visit(visitor); }) { // a component within a component
        VisitedNode const node{visitor, name};
        value.visit(visitor);
    } else if constexpr (requires { std::tuple_size<Type>::value; }) { // an array
        VisitedNode const node{visitor, name};
        visit_elements(visitor, value);
    } else {
        VisitedNode const node{visitor, name};
        hv::visit(visitor, value);
    }
}

} // namespace detail

/// `State` is an aggregate, and `State::fields()` a tuple that has a StateField for each of its members. A member
/// that is left out does not compile.
template <typename State>
concept VisitedState = std::tuple_size_v<decltype(State::fields())>
== detail::member_count<State>() && detail::has_distinct_names<State>();

template <typename State>
void visit(StateVisitor& visitor, State& state)
{
    static_assert(VisitedState<State>, "a member has no StateField, or two have one name");
    std::apply(
        [&](auto const&... field) {
            (detail::visit_value(visitor, field.name, state.*field.member, field.most), ...);
        },
        State::fields());
}

/// The same, as a node of its own.
template <typename State>
void visit(StateVisitor& visitor, std::string_view name, State& state)
{
    VisitedNode const node{visitor, name};
    visit(visitor, state);
}

/// Shows those fields that are for people.
template <VisitedState State>
void show(Inspector& inspector, State const& state)
{
    auto const one = [&](auto const& field) {
        if (field.shown != Shown::Yes) return;
        auto const& value = state.*field.member;
        if constexpr (std::is_same_v<std::remove_cvref_t<decltype(value)>, bool>)
            inspector.flag(field.name, value);
        else if constexpr (std::is_integral_v<std::remove_cvref_t<decltype(value)>>)
            inspector.number(field.name, value);
    };
    std::apply([&](auto const&... field) { (one(field), ...); }, State::fields());
}

} // namespace hv
