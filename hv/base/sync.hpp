/// Locks that have a rank: a thread takes them in rising order only. A debug build checks it, so that an inversion is
/// found by the first run and not by the unlucky one. docs/architecture.md gives the reasons for the order.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <mutex>

namespace hv {

/// Ranks below it are for those who call the model with locks of their own held.
inline constexpr unsigned first_model_rank = 16;

/// The model's.
enum class LockRank : unsigned {
    Registry = first_model_rank, ///< which partitions exist
    Partition,                   ///< partition-wide registers
    Tables,                      ///< a partition's port and connection tables, while they change
    Port,                        ///< one port
    Synic,                       ///< one VP's SynIC: registers, slots, queues
    Leaf,                        ///< holds while nothing else is taken: free lists, pools
};

#ifdef NDEBUG
inline void note_lock(unsigned) {}
inline void note_unlock(unsigned) {}
#else
/// Aborts when the calling thread holds a lock of this rank or a later one.
void note_lock(unsigned rank);
void note_unlock(unsigned rank);
/// How often the calling thread has taken a lock of this rank (debug builds only; for tests).
[[nodiscard]] std::uint64_t locks_taken(LockRank rank);
#endif

/// A mutex for std::lock_guard and std::unique_lock. `Rank` is of LockRank, or of an enumeration of lower ranks.
template <auto Rank>
class Mutex {
  public:
    void lock()
    {
        note_lock(static_cast<unsigned>(Rank));
        mutex_.lock();
    }
    /// In the same order: whoever may try may wait as well.
    [[nodiscard]] bool try_lock()
    {
        if (!mutex_.try_lock()) return false;
        note_lock(static_cast<unsigned>(Rank));
        return true;
    }
    void unlock()
    {
        mutex_.unlock();
        note_unlock(static_cast<unsigned>(Rank));
    }
    /// Held by the caller, as again afterwards: waits for `event`, or for nothing. A std::condition_variable_any has
    /// a lock of its own, which who is woken waits for once more.
    void wait(std::condition_variable& event)
    {
        note_unlock(static_cast<unsigned>(Rank));
        std::unique_lock held{mutex_, std::adopt_lock};
        event.wait(held);
        held.release();
        note_lock(static_cast<unsigned>(Rank));
    }

  private:
    std::mutex mutex_;
};

/// The same for objects of one class that are locked inside one another.
class MutexOfRank {
  public:
    template <typename Rank>
    explicit MutexOfRank(Rank rank) : rank_{static_cast<unsigned>(rank)}
    {}
    void lock()
    {
        note_lock(rank_);
        mutex_.lock();
    }
    void unlock()
    {
        mutex_.unlock();
        note_unlock(rank_);
    }

  private:
    unsigned const rank_;
    std::mutex mutex_;
};

} // namespace hv
