#include "vmm/console/output.hpp"

#include <utility>

namespace vmm {

ConsoleOutput::ConsoleOutput(std::shared_ptr<OutputQueue> queue, Lost lost)
    : queue_{std::move(queue)}, account_{std::move(lost)}
{
    queue_->add(account_);
}

ConsoleOutput::ConsoleOutput(boost::asio::io_context& io, ConsoleDescriptor descriptor, Lost lost,
                             Limits const& limits)
    : ConsoleOutput{std::make_shared<OutputQueue>(io, std::move(descriptor), limits), std::move(lost)}
{}

ConsoleOutput::~ConsoleOutput()
{
    finish();
    queue_->remove(account_);
}

} // namespace vmm
