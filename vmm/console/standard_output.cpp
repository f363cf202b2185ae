#include "vmm/console/standard_output.hpp"

#include "vmm/base/user_error.hpp"

#include <fcntl.h>
#include <unistd.h>

namespace vmm {

std::shared_ptr<OutputQueue> StandardOutput::queue()
{
    if (queue_) return queue_;
    if (!is_open_for(STDOUT_FILENO, O_WRONLY))
        throw UserError{"standard output is closed: redirect it, or give the guest's serial port another place: "
                        "file:PATH, pty or none"};
    queue_ = std::make_shared<OutputQueue>(io_, ConsoleDescriptor::copy_of(STDOUT_FILENO), OutputQueue::Limits{});
    return queue_;
}

} // namespace vmm
