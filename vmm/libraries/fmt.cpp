/// The parts of fmt that are not templates, compiled once, and those templates that its headers declare to be
/// instantiated elsewhere. spdlog.cpp says why Debian's shared library is not used.
#include <fmt/format-inl.h>

namespace detail = fmt::detail;

template detail::thousands_sep_result<char> detail::thousands_sep_impl<char>(detail::locale_ref);
template char detail::decimal_point_impl<char>(detail::locale_ref);
template void detail::vformat_to<char>(detail::buffer<char>&, fmt::string_view,
                                       fmt::basic_format_args<fmt::buffer_context<char>>, detail::locale_ref);
