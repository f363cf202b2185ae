/// What a parent's pages of memory are to its children (TLFS 2.0a §7.1.1): each is the parent's own, or lies in the
/// memory pool of one of them.
#pragma once

#include "hv/abi/status.hpp"
#include "hv/abi/types.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>

namespace hv {

/// Page numbers are of the parent's. Not to be used by two threads at once. What it keeps is bounded by the parent's
/// memory, because only pages of RAM are entered. An exhausted host is NoResources.
class PageLedger {
  public:
    /// The page is on its way into a pool: Success, or OperationDenied when it is in one already, or ObjectInUse when
    /// another call has it under way.
    [[nodiscard]] Status begin_deposit(std::uint64_t page);
    void finish_deposit(std::uint64_t page);
    void cancel_deposit(std::uint64_t page);
    /// A page of a pool is on its way back; then it is the parent's.
    void begin_withdrawal(std::uint64_t page);
    void finish_withdrawal(std::uint64_t page);

    /// It is in no pool, nor on its way.
    [[nodiscard]] bool is_own(std::uint64_t page) const;
    /// The same of so many.
    [[nodiscard]] bool are_own(std::uint64_t first, std::uint64_t count) const;
    [[nodiscard]] std::size_t deposited() const { return deposited_; }
    /// Whether every page is the parent's own again.
    [[nodiscard]] bool empty() const { return chunks_.empty(); }

  private:
    enum class Use : std::uint8_t { Own, Deposited, UnderWay };

    static constexpr std::uint64_t pages_per_chunk = 512;

    struct Chunk {
        std::array<Use, pages_per_chunk> uses{};
        std::size_t used = 0; ///< that are not Own
    };

    void change(std::uint64_t page, Use use);

    std::map<std::uint64_t, std::unique_ptr<Chunk>> chunks_; ///< those in which a page is not the parent's own
    std::size_t deposited_ = 0;
};

} // namespace hv
