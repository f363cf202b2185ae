#include "devices/base/host_file.hpp"

#include <atomic>
#include <fcntl.h>

namespace devices {

namespace {

std::atomic<FileOpener> file_opener{nullptr};

} // namespace

UniqueFd open_host_file(char const* path, FileAccess access)
{
    if (auto const opener = file_opener.load()) return opener(path, access);
    auto const mode = access == FileAccess::Read ? O_RDONLY : O_RDWR;
    return UniqueFd{::open(path, mode | O_CLOEXEC | O_NONBLOCK)};
}

void set_file_opener(FileOpener opener)
{
    file_opener.store(opener);
}

} // namespace devices
