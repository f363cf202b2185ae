/// What a child's memory is made of: pages of its parent's, which is a guest or a child itself.
#pragma once

#include "vmm/children/page_runs.hpp"
#include "vmm/memory/pc_memory.hpp"

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <set>
#include <span>
#include <utility>

namespace vmm {

/// One that has mapped pages of a parent's memory.
class MemoryUser {
  public:
    MemoryUser() = default;
    MemoryUser(MemoryUser const&) = delete;
    MemoryUser& operator=(MemoryUser const&) = delete;

    /// What lies at these pages of its parent's is something else now, or nothing. With the lock of the family held.
    virtual void parents_changed(PageRuns const& pages) noexcept = 0;
    /// Marks which of its parent's pages from `first` on it may write to, as abi::page_access::dirty. With the same
    /// lock held.
    virtual void mark_writable(std::uint64_t first, std::span<std::uint8_t> states) const noexcept = 0;

  protected:
    ~MemoryUser() = default;
};

class ParentMemory {
  public:
    /// Neighbouring pages that are neighbours in this process too.
    struct Piece {
        std::uint64_t page; ///< the parent's first
        std::uint64_t count;
        std::byte* host;
        bool writable;
    };

    ParentMemory() = default;
    ParentMemory(ParentMemory const&) = delete;
    ParentMemory& operator=(ParentMemory const&) = delete;
    virtual ~ParentMemory() = default;

    /// Held by whoever changes a map, or looks at one, of the guest's children and theirs.
    [[nodiscard]] virtual std::mutex& family_lock() = 0;
    /// How many pages the guest that the family began with has and may get.
    [[nodiscard]] virtual std::uint64_t ram_pages() const = 0;
    /// Calls `step` with what there is of these pages, ascending. With the lock of the family held.
    virtual void for_each_piece(std::uint64_t first, std::uint64_t count,
                                std::function<void(Piece const&)> const& step) const = 0;

    // With the lock of the family held.

    /// Throws std::bad_alloc.
    void add(MemoryUser& user) { users_.insert(&user); }
    void remove(MemoryUser& user) { users_.erase(&user); }

  protected:
    [[nodiscard]] std::set<MemoryUser*> const& users() const { return users_; }

  private:
    std::set<MemoryUser*> users_;
};

/// A guest's RAM. A page that is in a pool, or covered, is nobody's to map: the model sees to that.
class GuestsMemory final : public ParentMemory {
  public:
    explicit GuestsMemory(std::shared_ptr<PcMemory> memory) : memory_{std::move(memory)} {}

    [[nodiscard]] std::mutex& family_lock() override { return lock_; }
    [[nodiscard]] std::uint64_t ram_pages() const override { return memory_->ram_pages(); }
    /// RAM is contiguous on the host wherever its page numbers are.
    void for_each_piece(std::uint64_t first, std::uint64_t count,
                        std::function<void(Piece const&)> const& step) const override
    {
        step({first, count, memory_->ram_at(hv::Gpa{first * hv::page_size}), true});
    }

  private:
    std::shared_ptr<PcMemory> const memory_;
    std::mutex lock_;
};

} // namespace vmm
