/// The fields of a hypercall's input by name, as a trace shows them.
#pragma once

#include "hv/abi/port.hpp"
#include "hv/abi/virtual_interrupt.hpp"

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>

namespace hv {

/// A field that a call's definition names. `text` has its value from the whole input, as it was copied in.
struct Field {
    char const* name = nullptr; ///< as the TLFS spells it; "" for a text that says itself what it is
    std::string (*text)(std::byte const* input) = nullptr;
};

namespace fields {

[[nodiscard]] std::string as_hex(std::uint64_t value);
[[nodiscard]] std::string as_decimal(std::uint64_t value);
[[nodiscard]] std::string port_info(abi::PortInfo const& info);
[[nodiscard]] std::string interrupt_control(abi::InterruptControl const& control);

/// What a member pointer, or a chain of them, leads to.
template <auto First, auto... Rest>
struct Path;

template <typename Input, typename Value, Value Input::*First, auto... Rest>
struct Path<First, Rest...> {
    static Value read(std::byte const* bytes) requires(sizeof...(Rest) == 0)
    {
        Input input;
        std::memcpy(&input, bytes, sizeof input);
        return input.*First;
    }
    static auto read(std::byte const* bytes) requires(sizeof...(Rest) == 1)
    {
        Input input;
        std::memcpy(&input, bytes, sizeof input);
        return (input.*First).*(Rest, ...);
    }
};

template <auto... Members>
[[nodiscard]] constexpr Field hex(char const* name)
{
    return {name, [](std::byte const* in) { return as_hex(static_cast<std::uint64_t>(Path<Members...>::read(in))); }};
}

template <auto... Members>
[[nodiscard]] constexpr Field decimal(char const* name)
{
    return {name,
            [](std::byte const* in) { return as_decimal(static_cast<std::uint64_t>(Path<Members...>::read(in))); }};
}

/// A structure, by a function that describes it.
template <auto Member, auto Describe>
[[nodiscard]] constexpr Field described(char const* name)
{
    return {name, [](std::byte const* in) { return Describe(Path<Member>::read(in)); }};
}

} // namespace fields

} // namespace hv
