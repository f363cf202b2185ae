/// Something that may wait for ever, for a server or a file system, done on a thread that can be left behind.
#pragma once

#include "devices/base/guarded_thread.hpp"

#include <chrono>
#include <condition_variable>
#include <exception>
#include <memory>
#include <mutex>
#include <optional>
#include <stop_token>
#include <type_traits>
#include <utility>

namespace devices {

struct Patience {
    std::chrono::milliseconds limit;      ///< for all of it
    std::chrono::milliseconds after_stop; ///< for a body that has been told to stop, and may do so
};

/// Runs `body` on a thread of its own, and waits for what it returns, or throws, which comes out here. Nothing when
/// it has taken too long: then the thread goes on by itself, and its result ends there. So `body` owns what it uses.
/// Throws std::system_error when the host has no thread left.
template <typename Body, typename Result = std::invoke_result_t<Body&>>
[[nodiscard]] std::optional<Result> call_in_background(std::stop_token stop, Patience patience, Body body)
{
    struct Call {
        explicit Call(Body&& what) : body{std::move(what)} {}
        Body body;
        std::mutex mutex;
        std::condition_variable_any came;
        std::optional<Result> result;
        std::exception_ptr thrown;
        bool left_behind = false;
    };
    auto const call = std::make_shared<Call>(std::move(body));
    auto const run = [call] {
        std::optional<Result> result;
        std::exception_ptr thrown;
        try {
            result.emplace(call->body());
        } catch (...) {
            thrown = std::current_exception();
        }
        auto const lock = std::lock_guard{call->mutex};
        if (call->left_behind) return;
        if (result) call->result.emplace(std::move(*result));
        call->thrown = std::move(thrown); // nothing is kept of it on this thread
        call->came.notify_all();
    };
    guarded_thread(ThreadRole::Opener, run, [](char const*) {}).detach();

    auto lock = std::unique_lock{call->mutex};
    auto const done = [&] { return call->result || call->thrown; };
    if (!call->came.wait_for(lock, stop, patience.limit, done) && stop.stop_requested())
        call->came.wait_for(lock, patience.after_stop, done);
    if (call->thrown) std::rethrow_exception(std::exchange(call->thrown, nullptr));
    call->left_behind = !call->result;
    return std::move(call->result);
}

} // namespace devices
