/// What a partition that another has made by hypercall is, beyond any partition: how far its life has come (TLFS 2.0a
/// §5.2.5), and the pages of its memory pool (§7.1.1).
#pragma once

#include "hv/abi/status.hpp"
#include "hv/child/child_host.hpp"

#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

namespace hv {

class Children;

/// Guarded by the lock of its parent's Children.
struct Child {
    enum class Stage : std::uint8_t {
        BeingMade, ///< its parent does not know its ID yet
        Uninitialized,
        Active,
        Finalizing, ///< while it is torn down; a second call to finalize it is refused
        Finalized,
        Deleting, ///< while it leaves the registry
    };

    Child(Children& parents, std::unique_ptr<ChildMachine> made) : siblings{parents}, machine{std::move(made)} {}

    [[nodiscard]] bool takes_deposits() const { return stage == Stage::Uninitialized || stage == Stage::Active; }
    /// Nothing of it uses pool pages: all can be withdrawn.
    [[nodiscard]] bool uses_no_pages() const { return stage == Stage::Uninitialized || stage == Stage::Finalized; }

    Children& siblings; ///< of its parent, whose calls alone ask for it
    std::unique_ptr<ChildMachine> const machine;
    Stage stage = Stage::BeingMade;
    std::vector<std::uint64_t> pool_pages; ///< numbers of the parent's pages
    std::size_t pages_under_way = 0;       ///< on their way into the pool or out of it
};

} // namespace hv
