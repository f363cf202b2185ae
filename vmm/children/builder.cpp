#include "vmm/children/builder.hpp"

#include "devices/base/guarded_thread.hpp"

#include <exception>

namespace vmm {

/// On the stack of whoever waits for it.
struct Builder::Request {
    std::function<void()> const& work;
    std::exception_ptr failure{};
    Request* next = nullptr;
    bool done = false;
};

Builder::Builder()
{
    thread_ = devices::guarded_thread(
        devices::ThreadRole::Builder, [this] { body(); }, [](char const*) {});
}

Builder::~Builder()
{
    {
        std::lock_guard const guard{lock_};
        ends_ = true;
    }
    changed_.notify_all();
    thread_.join();
}

void Builder::run(std::function<void()> const& work)
{
    Request request{work};
    std::unique_lock guard{lock_};
    auto** last = &first_;
    while (*last)
        last = &(*last)->next;
    *last = &request;
    changed_.notify_all();
    changed_.wait(guard, [&] { return request.done; });
    if (request.failure) std::rethrow_exception(request.failure);
}

void Builder::body()
{
    std::unique_lock guard{lock_};
    for (;;) {
        changed_.wait(guard, [this] { return first_ || ends_; });
        if (!first_) return;
        auto& request = *first_;
        first_ = request.next;
        guard.unlock();
        try {
            request.work();
        } catch (...) {
            request.failure = std::current_exception();
        }
        guard.lock();
        request.done = true;
        changed_.notify_all();
    }
}

} // namespace vmm
