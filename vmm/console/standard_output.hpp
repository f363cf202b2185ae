/// Standard output as the console of one guest or several.
#pragma once

#include "vmm/console/output_queue.hpp"

#include <boost/asio/io_context.hpp>

#include <memory>

namespace vmm {

class StandardOutput {
  public:
    explicit StandardOutput(boost::asio::io_context& io) : io_{io} {}

    /// The same queue for all, made for the first who asks. Throws UserError when standard output is closed.
    [[nodiscard]] std::shared_ptr<OutputQueue> queue();

  private:
    boost::asio::io_context& io_;
    std::shared_ptr<OutputQueue> queue_;
};

} // namespace vmm
