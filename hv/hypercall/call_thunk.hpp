/// A call's definition out of the function that does it: sizes and calling convention follow from its types.
#pragma once

#include "hv/hypercall/call_info.hpp"
#include "hv/hypercall/caller.hpp"

#include <array>
#include <cstring>
#include <span>
#include <type_traits>

namespace hv {

template <auto Function>
struct Thunk;

template <typename In, Status (*Function)(Caller const&, In const&)>
struct Thunk<Function> {
    static constexpr std::uint16_t input_size = sizeof(In);
    static constexpr std::uint16_t output_size = 0;
    static Status call(Caller const& caller, std::byte const* in, std::byte*)
    {
        return Function(caller, *reinterpret_cast<In const*>(in));
    }
};

/// What the call brings, or its failure.
template <typename Out>
Status give(Result<Out> const& result, std::byte* out)
{
    if (result) std::memcpy(out, &*result, sizeof(Out));
    return result.status();
}

template <typename Out, Result<Out> (*Function)(Caller const&)>
struct Thunk<Function> {
    static constexpr std::uint16_t input_size = 0;
    static constexpr std::uint16_t output_size = sizeof(Out);
    static Status call(Caller const& caller, std::byte const*, std::byte* out) { return give(Function(caller), out); }
};

template <typename In, typename Out, Result<Out> (*Function)(Caller const&, In const&)>
struct Thunk<Function> {
    static constexpr std::uint16_t input_size = sizeof(In);
    static constexpr std::uint16_t output_size = sizeof(Out);
    static Status call(Caller const& caller, std::byte const* in, std::byte* out)
    {
        return give(Function(caller, *reinterpret_cast<In const*>(in)), out);
    }
};

template <auto Function>
struct ListThunk;

template <typename Header, typename In, typename Out,
          Progress (*Function)(Caller const&, Header const&, std::span<In const>, std::span<Out>)>
struct ListThunk<Function> {
    static constexpr auto kind = CallInfo::Kind::Rep;
    static constexpr std::uint16_t input_size = sizeof(Header);
    static constexpr std::uint16_t input_element = sizeof(In);
    static constexpr std::uint16_t output_element = sizeof(Out);
    static Progress call(Caller const& caller, std::byte const* header, std::byte const* elements, std::size_t count,
                         std::byte* out)
    {
        return Function(caller, *reinterpret_cast<Header const*>(header),
                        {reinterpret_cast<In const*>(elements), count}, {reinterpret_cast<Out*>(out), count});
    }
};

/// Without an input list: the rep count says how much output is wanted.
template <typename Header, typename Out, Progress (*Function)(Caller const&, Header const&, std::span<Out>)>
requires(!std::is_const_v<Out>) struct ListThunk<Function> {
    static constexpr auto kind = CallInfo::Kind::Rep;
    static constexpr std::uint16_t input_size = sizeof(Header);
    static constexpr std::uint16_t input_element = 0;
    static constexpr std::uint16_t output_element = sizeof(Out);
    static Progress call(Caller const& caller, std::byte const* header, std::byte const*, std::size_t count,
                         std::byte* out)
    {
        return Function(caller, *reinterpret_cast<Header const*>(header), {reinterpret_cast<Out*>(out), count});
    }
};

/// Without any list.
template <typename Header, Progress (*Function)(Caller const&, Header const&, RepCount)>
struct ListThunk<Function> {
    static constexpr auto kind = CallInfo::Kind::Rep;
    static constexpr std::uint16_t input_size = sizeof(Header);
    static constexpr std::uint16_t input_element = 0;
    static constexpr std::uint16_t output_element = 0;
    static Progress call(Caller const& caller, std::byte const* header, std::byte const*, std::size_t count,
                         std::byte*)
    {
        return Function(caller, *reinterpret_cast<Header const*>(header), RepCount{count});
    }
};

template <typename Header, typename In, Progress (*Function)(Caller const&, Header const&, std::span<In const>)>
struct ListThunk<Function> {
    static constexpr auto kind = CallInfo::Kind::Rep;
    static constexpr std::uint16_t input_size = sizeof(Header);
    static constexpr std::uint16_t input_element = sizeof(In);
    static constexpr std::uint16_t output_element = 0;
    static Progress call(Caller const& caller, std::byte const* header, std::byte const* elements, std::size_t count,
                         std::byte*)
    {
        return Function(caller, *reinterpret_cast<Header const*>(header),
                        {reinterpret_cast<In const*>(elements), count});
    }
};

template <typename Header, Status (*Function)(Caller const&, Header const&, std::span<std::uint64_t const>)>
struct ListThunk<Function> {
    static constexpr auto kind = CallInfo::Kind::VariableHeader;
    static constexpr std::uint16_t input_size = sizeof(Header);
    static constexpr std::uint16_t input_element = sizeof(std::uint64_t);
    static constexpr std::uint16_t output_element = 0;
    static Progress call(Caller const& caller, std::byte const* header, std::byte const* words, std::size_t count,
                         std::byte*)
    {
        return {Function(caller, *reinterpret_cast<Header const*>(header),
                         {reinterpret_cast<std::uint64_t const*>(words), count}),
                0};
    }
};

template <typename Header, typename Out,
          Result<Out> (*Function)(Caller const&, Header const&, std::span<std::uint64_t const>)>
struct ListThunk<Function> {
    static constexpr auto kind = CallInfo::Kind::VariableHeader;
    static constexpr std::uint16_t input_size = sizeof(Header);
    static constexpr std::uint16_t input_element = sizeof(std::uint64_t);
    static constexpr std::uint16_t output_element = 0;
    static constexpr std::uint16_t output_size = sizeof(Out);
    static Progress call(Caller const& caller, std::byte const* header, std::byte const* words, std::size_t count,
                         std::byte* out)
    {
        return {give(Function(caller, *reinterpret_cast<Header const*>(header),
                              {reinterpret_cast<std::uint64_t const*>(words), count}),
                     out),
                0};
    }
};

/// A call is told here: what its section of the TLFS says, and the function that does it.
template <auto Function>
[[nodiscard]] constexpr CallInfo call(abi::CallCode code, char const* name, char const* section, Access access,
                                      std::array<Field, CallInfo::most_fields> fields = {})
{
    CallInfo info{code, name, section, access, fields};
    if constexpr (requires { Thunk<Function>::call; }) {
        using T = Thunk<Function>;
        info.input_size = T::input_size;
        info.output_size = T::output_size;
        info.handler = &T::call;
    } else {
        using T = ListThunk<Function>;
        info.kind = T::kind;
        info.input_size = T::input_size;
        info.input_element = T::input_element;
        info.output_element = T::output_element;
        if constexpr (requires { T::output_size; }) info.output_size = T::output_size;
        info.list_handler = &T::call;
    }
    return info;
}

} // namespace hv
