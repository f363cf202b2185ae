/// The model's locks. Each has a rank, and a thread takes them in rising order only; a debug build checks it, so that
/// an inversion is found by the first run and not by the unlucky one. docs/architecture.md gives the reasons for the
/// order.
#pragma once

#include <cstddef>
#include <cstdint>
#include <mutex>

namespace hv {

enum class LockRank : unsigned {
    Registry,  ///< which partitions exist
    Partition, ///< partition-wide registers
    Tables,    ///< a partition's port and connection tables, while they change
    Port,      ///< one port
    Synic,     ///< one VP's SynIC: registers, slots, queues
    Leaf,      ///< holds while nothing else is taken: free lists, pools
};

#ifdef NDEBUG
inline void note_lock(LockRank) {}
inline void note_unlock(LockRank) {}
#else
/// Aborts when the calling thread holds a lock of this rank or a later one.
void note_lock(LockRank rank);
void note_unlock(LockRank rank);
/// How often the calling thread has taken a lock of this rank (debug builds only; for tests).
[[nodiscard]] std::uint64_t locks_taken(LockRank rank);
#endif

/// A mutex for std::lock_guard and std::unique_lock.
template <LockRank Rank>
class Mutex {
  public:
    void lock()
    {
        note_lock(Rank);
        mutex_.lock();
    }
    void unlock()
    {
        mutex_.unlock();
        note_unlock(Rank);
    }

  private:
    std::mutex mutex_;
};

} // namespace hv
