#include "vmm/machine/asio_executor.hpp"

#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>

#include <atomic>
#include <condition_variable>
#include <deque>
#include <list>
#include <mutex>
#include <utility>

namespace vmm {

struct AsioExecutor::Shared : std::enable_shared_from_this<Shared> {
    using Task = std::function<void()>;

    /// A task runs, until the end of this.
    struct Running {
        ~Running()
        {
            std::lock_guard const guard{shared.lock};
            shared.running = false;
            shared.stopped_running.notify_all();
        }
        Shared& shared;
    };

    explicit Shared(boost::asio::io_context& context) : io{context} {}

    void add(Task task)
    {
        std::lock_guard const guard{lock};
        if (detached) return;
        queue.push_back(std::move(task));
        if (!held && !std::exchange(posted, true)) post();
    }

    void post()
    {
        boost::asio::post(io, [self = shared_from_this()] { self->run_one(); });
    }

    /// One for each handler, so that the tasks of one guest do not keep others waiting.
    void run_one()
    {
        Task task;
        {
            std::lock_guard const guard{lock};
            if (held || queue.empty()) {
                posted = false;
                return;
            }
            task = std::move(queue.front());
            queue.pop_front();
            posted = !queue.empty();
            if (posted) post();
            running = true;
        }
        Running const ends{*this};
        task();
    }

    /// A task of a timer's. False when there is to be none any more.
    [[nodiscard]] bool start_running()
    {
        std::lock_guard const guard{lock};
        running = !detached;
        return running;
    }

    void start_timer(std::chrono::milliseconds delay, Task task)
    {
        auto const timer = timers.emplace(timers.end(), io, delay);
        timer->async_wait([self = shared_from_this(), timer, task = std::move(task)](auto const& error) mutable {
            if (error || self->detached) return;
            self->timers.erase(timer);
            if (self->held) return self->add(std::move(task));
            if (!self->start_running()) return;
            Running const ends{*self};
            task();
        });
    }

    void hold(Task const& last)
    {
        if (detached) return;
        last();
        std::lock_guard const guard{lock};
        held = true;
    }

    void release(Task const& first)
    {
        if (detached || !held) return;
        first();
        std::lock_guard const guard{lock};
        held = false;
        if (!queue.empty() && !std::exchange(posted, true)) post();
    }

    void detach()
    {
        std::deque<Task> dropped;
        std::lock_guard const guard{lock};
        detached = true;
        dropped.swap(queue);
        timers.clear();
    }

    /// Timers stay, and find that there is nothing to do: they are the io_context's.
    void end()
    {
        std::deque<Task> dropped;
        std::unique_lock guard{lock};
        detached = true;
        dropped.swap(queue);
        if (!io.get_executor().running_in_this_thread()) stopped_running.wait(guard, [this] { return !running; });
    }

    boost::asio::io_context& io;
    std::list<boost::asio::steady_timer> timers; // the io_context's thread only
    std::mutex lock; // the rest; `detached` and `held` are read without it on the io_context
    std::deque<Task> queue;
    bool posted = false;
    bool held = false;
    bool running = false; ///< a task, on the io_context
    std::condition_variable stopped_running;
    std::atomic<bool> detached = false;
};

AsioExecutor::AsioExecutor(boost::asio::io_context& io) : shared_{std::make_shared<Shared>(io)} {}

AsioExecutor::~AsioExecutor() = default;

void AsioExecutor::detach()
{
    shared_->detach();
}

void AsioExecutor::end()
{
    shared_->end();
}

void AsioExecutor::hold(std::function<void()> last)
{
    boost::asio::post(shared_->io, [shared = shared_, last = std::move(last)] { shared->hold(last); });
}

void AsioExecutor::release(std::function<void()> first)
{
    boost::asio::post(shared_->io, [shared = shared_, first = std::move(first)] { shared->release(first); });
}

void AsioExecutor::run(std::function<void()> task)
{
    shared_->add(std::move(task));
}

bool AsioExecutor::runs_here() const
{
    return shared_->io.get_executor().running_in_this_thread();
}

void AsioExecutor::run_after(std::chrono::milliseconds delay, std::function<void()> task)
{
    run([shared = shared_, delay, task = std::move(task)]() mutable { shared->start_timer(delay, std::move(task)); });
}

} // namespace vmm
