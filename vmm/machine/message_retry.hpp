/// Looks again, after a while, at messages that wait behind a slot which the guest has not emptied (TLFS 2.0a
/// §14.2.4: "an unspecified time, typically on the order of milliseconds").
#pragma once

#include "hv/abi/types.hpp"
#include "hv/partition/partition.hpp"

#include <boost/asio/io_context.hpp>

#include <memory>

namespace vmm {

class MessageRetry {
  public:
    explicit MessageRetry(boost::asio::io_context& io);

    /// Called once, before schedule.
    void attach(std::shared_ptr<hv::Partition> const& partition);

    /// Looks no more. On the io_context, or when that has stopped.
    void detach();

    /// One look is pending per VP at most; looks that find the slot still full come at growing intervals, so that a
    /// guest which never empties it costs nothing. From any thread.
    void schedule(hv::VpIndex vp);

  private:
    struct Shared;

    std::shared_ptr<Shared> shared_; // the timers' handlers share it
};

} // namespace vmm
