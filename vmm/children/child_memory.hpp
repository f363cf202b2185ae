/// A child's memory: pages of its parent's, mapped in the child's virtual machine.
#pragma once

#include "hv/base/guest_memory.hpp"
#include "hv/child/gpa_map.hpp"
#include "vmm/children/page_runs.hpp"
#include "vmm/children/parent_memory.hpp"
#include "vmm/hypervisor/entry_gate.hpp"
#include "vmm/hypervisor/vm.hpp"

#include <functional>
#include <map>
#include <memory>
#include <span>
#include <vector>

namespace vmm {

/// A run of pages that the child may at least read costs its virtual machine one memory slot, or as many as there are
/// pieces of its parent's under it. KVM has 32,764 of them (KVM_MEM_SLOTS_NUM), and a child's map is not so long
/// (hv::ChildLimits).
class ChildMemory final : public ParentMemory, MemoryUser {
  public:
    /// Throws std::bad_alloc.
    ChildMemory(Vm& vm, std::shared_ptr<ParentMemory> parents);
    ~ChildMemory() override;

    /// All of it, or false and nothing. One call at a time, while vCPUs run: none is in the child meanwhile.
    [[nodiscard]] bool change(hv::GpaChange const& change);

    /// As hv::ChildMachine says. What this process writes on the child's behalf is not seen; a page that a child of
    /// the child's may write to counts as written. One call at a time, `change` among them.
    [[nodiscard]] bool access_states(std::uint64_t first, std::uint64_t flags, std::span<std::uint8_t> states);

    /// Takes pages from the child, which are in pools of its children: there is nothing there, whatever its parent
    /// maps. All of them, or false and none. From any thread.
    [[nodiscard]] bool hide(std::span<std::uint64_t const> pages);
    /// Gives them back, filled with zeros.
    void show(std::span<std::uint64_t const> pages);

    static constexpr std::size_t most_hidden_runs = 1024;

    /// Its virtual machine is about to end: from now on there is nothing.
    void end();

    [[nodiscard]] EntryGate& gate() { return gate_; }
    /// What the child may read; and of it, what it may write to as well.
    [[nodiscard]] hv::GuestMemory const& readable() const { return readable_; }
    [[nodiscard]] hv::GuestMemory const& writable() const { return writable_; }

    [[nodiscard]] std::mutex& family_lock() override { return parents_->family_lock(); }
    [[nodiscard]] std::uint64_t ram_pages() const override { return parents_->ram_pages(); }
    void for_each_piece(std::uint64_t first, std::uint64_t count,
                        std::function<void(Piece const&)> const& step) const override;

  private:
    /// Part of a run that lies over one piece of the parent's.
    struct Mapped {
        hv::GpaRun run;
        std::byte* host;
        std::vector<std::uint64_t> dirty{}; ///< a bit a page, while it is looked at what the child writes to

        void set_all_dirty();
        [[nodiscard]] bool is_dirty(std::uint64_t page) const;
        void set_dirty(std::uint64_t page, bool is);
    };
    using MappedPieces = std::map<std::uint64_t, Mapped>; // by their first pages

    // All of these are called with the family's lock held.
    void parents_changed(PageRuns const& pages) noexcept override;
    void replace(std::span<hv::GpaRun const> removed, std::span<hv::GpaRun const> added);
    void want(hv::GpaRun const& run);
    void forget(hv::GpaRun const& run);
    void map_pieces(hv::GpaRun const& run);
    void map_piece(Mapped piece);
    void unmap_pieces(hv::GpaRun const& run);
    void remake(std::function<bool(hv::GpaRun const&)> const& is_meant) noexcept;
    void map_anew(hv::GpaRun const& run);
    void lose_all();
    void have_nothing();
    void tell_users(PageRuns const& pages) const;
    [[nodiscard]] std::byte* writable_page(std::uint64_t page) const;
    [[nodiscard]] MemoryMapping mapping_of(Mapped const& piece) const;
    [[nodiscard]] MappedPieces::const_iterator first_reaching(std::uint64_t page) const;
    void publish();

    void begin_to_look();
    void look_at(Mapped& mapped);
    [[nodiscard]] std::vector<Mapped> look_at(std::span<hv::GpaRun const> runs);
    void carry_over(std::span<Mapped const> before, std::span<hv::GpaRun const> added);
    static void carry_over(Mapped const& old, Mapped& fresh);
    void tell(std::uint64_t first, std::uint64_t flags, std::span<std::uint8_t> states);
    void mark_writable(std::uint64_t first, std::span<std::uint8_t> states) const noexcept override;

    Vm& vm_;
    std::shared_ptr<ParentMemory> const parents_;
    EntryGate gate_;
    bool looks_ = false;                         ///< at what the child writes to
    std::map<std::uint64_t, hv::GpaRun> wanted_; ///< what its parent has mapped, by their first pages
    MappedPieces mapped_;                        ///< what there is of it
    PageRuns hidden_;
    hv::GuestMemory readable_;
    hv::GuestMemory writable_;
};

} // namespace vmm
