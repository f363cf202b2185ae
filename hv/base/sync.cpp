#include "hv/base/sync.hpp"

#ifndef NDEBUG

#include <array>
#include <cstdio>
#include <cstdlib>

namespace hv {

namespace {

constexpr std::size_t rank_count = static_cast<std::size_t>(LockRank::Leaf) + 1;

thread_local unsigned held_ranks = 0; // one bit per rank
thread_local std::array<std::uint64_t, rank_count> taken{};

} // namespace

void note_lock(unsigned index)
{
    if ((held_ranks >> index) != 0) {
        std::fprintf(stderr, "lock order violated: rank %u wanted while ranks %#x are held\n", index, held_ranks);
        std::abort();
    }
    held_ranks |= 1U << index;
    ++taken[index];
}

void note_unlock(unsigned rank)
{
    held_ranks &= ~(1U << rank);
}

std::uint64_t locks_taken(LockRank rank)
{
    return taken[static_cast<std::size_t>(rank)];
}

} // namespace hv

#endif
