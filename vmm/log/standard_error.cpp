#include "vmm/log/standard_error.hpp"

#include <string>
#include <unistd.h>

namespace vmm {

namespace {

constexpr std::string_view name = "porthole: ";

} // namespace

LineWriter& standard_error()
{
    static LineWriter writer{ConsoleDescriptor::copy_of(STDERR_FILENO), name};
    return writer;
}

void tell_user(std::string_view text)
{
    auto const line = std::string{name}.append(text).append("\n");
    try {
        standard_error().put_important(line);
    } catch (std::exception const&) { // no descriptor to be had: there is no run yet that this could hold up
        (void)!::write(STDERR_FILENO, line.data(), line.size());
    }
}

} // namespace vmm
