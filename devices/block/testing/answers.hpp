/// A request that a test makes, and waits for.
#pragma once

#include "devices/block/backend.hpp"

#include <condition_variable>
#include <cstddef>
#include <mutex>
#include <optional>
#include <span>

namespace devices::block::testing {

class AwaitedRequest final : public Request {
  public:
    AwaitedRequest(Operation what, std::uint64_t from, std::uint64_t size = 0)
    {
        operation = what;
        offset = from;
        length = size;
    }

    void add(std::span<std::byte> memory)
    {
        buffers.push_back({memory.data(), memory.size()});
        length += memory.size();
    }

    /// Of `submit`, or else of the backend's thread.
    [[nodiscard]] Result run(Backend& backend)
    {
        if (auto const at_once = backend.submit(*this)) return *at_once;
        return wait();
    }
    [[nodiscard]] Result wait()
    {
        std::unique_lock lock{mutex_};
        came_.wait(lock, [&] { return result_.has_value(); });
        return *result_;
    }
    [[nodiscard]] bool answered()
    {
        std::scoped_lock const lock{mutex_};
        return result_.has_value();
    }

    void completed(Result result) noexcept override
    {
        std::scoped_lock const lock{mutex_};
        result_ = result;
        came_.notify_all();
    }

  private:
    std::mutex mutex_;
    std::condition_variable came_;
    std::optional<Result> result_;
};

} // namespace devices::block::testing
