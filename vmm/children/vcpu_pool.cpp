#include "vmm/children/vcpu_pool.hpp"

#include "devices/base/guarded_thread.hpp"

namespace vmm {

struct VcpuPool::Lease::Thread {
    std::mutex lock; // the next three
    std::condition_variable changed;
    bool taken = false;
    bool ends = false;
    std::function<void()> work;
    std::thread thread;

    void body()
    {
        std::unique_lock guard{lock};
        for (;;) {
            changed.wait(guard, [this] { return work || ends; });
            if (!work) return;
            guard.unlock();
            work();
            guard.lock();
            work = nullptr;
            changed.notify_all();
        }
    }
};

VcpuPool::VcpuPool(unsigned threads)
{
    try {
        begin(threads);
    } catch (...) {
        end(); // those that have begun
        throw;
    }
}

VcpuPool::~VcpuPool()
{
    end();
}

void VcpuPool::begin(unsigned threads)
{
    for (unsigned i = 0; i < threads; ++i) {
        auto& made = *threads_.emplace_back(std::make_unique<Lease::Thread>());
        made.thread = std::thread{[&made] { // which takes kicks, unlike a guarded one
            devices::begin_thread(devices::ThreadRole::Vcpu, "child vcpu");
            devices::contain([&made] { made.body(); }, [](char const*) {});
        }};
    }
}

void VcpuPool::end()
{
    for (auto const& thread : threads_) {
        {
            std::lock_guard const guard{thread->lock};
            thread->ends = true;
        }
        thread->changed.notify_all();
        if (thread->thread.joinable()) thread->thread.join();
    }
}

VcpuPool::Lease VcpuPool::take()
{
    for (auto const& thread : threads_) {
        std::lock_guard const guard{thread->lock};
        if (std::exchange(thread->taken, true)) continue;
        return Lease{*thread};
    }
    return {};
}

VcpuPool::Lease::~Lease()
{
    if (!thread_) return;
    std::lock_guard const guard{thread_->lock};
    thread_->taken = false;
}

void VcpuPool::Lease::run(std::function<void()> work)
{
    {
        std::lock_guard const guard{thread_->lock};
        thread_->work = std::move(work);
    }
    thread_->changed.notify_all();
}

void VcpuPool::Lease::wait()
{
    std::unique_lock guard{thread_->lock};
    thread_->changed.wait(guard, [this] { return !thread_->work; });
}

} // namespace vmm
