/// What a client of the control socket may send: an input is one line, as it stands.
#include "hv/fuzz/input.hpp"
#include "vmm/base/user_error.hpp"
#include "vmm/control/request.hpp"

#include <algorithm>
#include <string>
#include <string_view>

using hv::fuzz::require;
using vmm::UserError;
using vmm::control::parse_request;
using vmm::control::Request;

namespace {

void require_one_line(std::string_view text)
{
    auto const is_control = [](unsigned char c) { return c < 0x20 || c == 0x7F; };
    require(!text.empty() && text.size() < 1024 && std::ranges::none_of(text, is_control),
            "a complaint is one line that may be printed");
}

bool same(Request const& a, Request const& b)
{
    return a.command == b.command && a.guest == b.guest && a.arguments.values() == b.arguments.values();
}

void check_arguments(Request request)
{
    std::string const taken = request.arguments.values().empty() ? "x" : request.arguments.values().begin()->first;
    auto const value = request.arguments.take_optional(taken);
    require(!request.arguments.take_optional(taken), "an argument is taken once");
    try {
        request.arguments.refuse_rest();
        require(request.arguments.values().empty(), "what is left is refused");
    } catch (UserError const& error) {
        require_one_line(error.what());
    }
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* data, std::size_t size)
{
    std::string_view const line{reinterpret_cast<char const*>(data), size};
    try {
        auto const request = parse_request(line);
        require(!request.command.empty(), "a request names a command");
        auto again = to_line(request);
        require(again.ends_with('\n') && std::ranges::count(again, '\n') == 1, "a request is one line");
        again.pop_back();
        require(same(parse_request(again), request), "a request that was written reads as the same");
        check_arguments(request);
    } catch (UserError const& error) {
        require_one_line(error.what());
    }
    return 0;
}
