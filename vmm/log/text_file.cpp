#include "vmm/log/text_file.hpp"

#include "devices/base/os_error.hpp"
#include "vmm/log/standard_error.hpp"

#include <cerrno>

namespace vmm {

std::shared_ptr<LineWriter> open_text_file(std::string const& what, std::string const& path, Existing existing)
{
    auto const failed = [what, path](int error) {
        tell_user("cannot write " + what + " to '" + path + "' any further: " +
                  (error == EPIPE ? "nobody reads it" : devices::os_error(error)) + "; the guests run on");
    };
    auto const file = open_output(what, path, existing);
    return std::make_shared<LineWriter>(ConsoleDescriptor::copy_of(file.get()), std::string_view{}, failed);
}

bool finish_text_file(LineWriter& file, std::string const& what)
{
    file.finish();
    auto const lost = file.lost();
    if (lost > 0)
        tell_user(what + " is not whole: " + std::to_string(lost) + (lost == 1 ? " line was" : " lines were") +
                  " not written");
    return !file.failed();
}

} // namespace vmm
