/// What goes wrong around a network, for tests.
#pragma once

#include "devices/base/unique_fd.hpp"
#include "devices/net/frame_backend.hpp"

#include <atomic>
#include <new>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <utility>
#include <vector>

namespace devices::net::testing {

/// The process can open no file while this lives.
class NoDescriptorLeft {
  public:
    NoDescriptorLeft()
    {
        constexpr rlim_t few = 256;
        ::getrlimit(RLIMIT_NOFILE, &before_);
        auto lowered = before_;
        lowered.rlim_cur = few; // what is open beyond stays so
        ::setrlimit(RLIMIT_NOFILE, &lowered);
        for (;;) {
            UniqueFd fd{::eventfd(0, EFD_CLOEXEC)};
            if (!fd) break;
            taken_.push_back(std::move(fd));
        }
    }
    NoDescriptorLeft(NoDescriptorLeft const&) = delete;
    NoDescriptorLeft& operator=(NoDescriptorLeft const&) = delete;
    ~NoDescriptorLeft() { ::setrlimit(RLIMIT_NOFILE, &before_); }

  private:
    rlimit before_{};
    std::vector<UniqueFd> taken_;
};

/// A guest's side that has no memory for what it receives.
class FailingReceiver final : public FrameReceiver {
  public:
    [[nodiscard]] bool receive(FrameSource&) override { throw std::bad_alloc{}; }
    void lost() override
    {
        was_lost = true;
        was_lost.notify_all();
    }

    std::atomic<bool> was_lost = false;
};

} // namespace devices::net::testing
