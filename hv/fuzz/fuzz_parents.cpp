/// Two guests make partitions by hypercall, feed them with pages and take them apart, in any order; a model of both
/// says which status each call must have, and how many pages lie where.
///
/// The input is a list of steps. A step's first byte says what (bits 3:0) and which guest (bit 4); a child is named
/// by a byte, modulo five: one of the guest's own in the order of their creation, or, last, one of the other guest's:
///   0  HvCreatePartition: flags, a value
///   1  HvInitializePartition, 2 HvFinalizePartition, 3 HvDeletePartition: a child
///   4  HvDepositMemory: a child, a length, and a byte for each page
///   5  HvWithdrawMemory: a child, a length
///   6  HvGetMemoryBalance: a child
///   7  HvGetNextChildPartition, all of them
///   8  HvSetPartitionProperty, PrivilegeFlags: a child, a value
///   9  SIMP is written: a byte for the page, of which bit 7 enables it
///   10 the host has room for machines (bit 0), and splits memory (bit 1), from now on: a byte
///   11 HvCreateVp, 12 HvDeleteVp: a child, an index
///   13 HvMapGpaPages: a child, a page, the rights (modulo three), a length, and a byte for each page
///   14 HvUnmapGpaPages: a child, a page, a length
///   15 all else: a child, a byte that says what, and what its file says: hv/fuzz/parent_memory_calls.hpp for even
///      ones, hv/fuzz/parent_event_calls.hpp for odd ones
/// With bit 5 of its first byte, SIMP's step is one of another register: see write_msr.
#include "hv/fuzz/input.hpp"
#include "hv/fuzz/parent_checks.hpp"
#include "hv/fuzz/parent_event_calls.hpp"
#include "hv/fuzz/parent_memory_calls.hpp"
#include "hv/fuzz/parent_model.hpp"
#include "hv/fuzz/play.hpp"
#include "hv/fuzz/pool_account.hpp"
#include "hv/partition/child.hpp"
#include "hv/partition/children.hpp"
#include "hv/testing/child_host.hpp"

#include <algorithm>
#include <array>
#include <set>
#include <vector>

using namespace hv;
using namespace hv::testing;
using namespace hv::fuzz;
using fuzz::require;

namespace {

class World {
  public:
    void step(fuzz::Input& input)
    {
        auto const first = input.byte();
        auto& seat = seats_[first >> 4 & 1];
        switch (first & 15) {
        case 0: create(seat, input.value()); break;
        case 1: initialize(seat, input.byte()); break;
        case 2: finalize(seat, input.byte()); break;
        case 3: remove(seat, input.byte()); break;
        case 4: deposit(seat, input); break;
        case 5: withdraw(seat, input); break;
        case 6: ask_balance(seat, input.byte()); break;
        case 7: enumerate(seat); break;
        case 8: set_privileges(seat, input); break;
        case 9: write_msr(seat, (first & 0x20) != 0 ? input.byte() : 0, input.byte()); break;
        case 10: {
            auto const byte = input.byte();
            seat.parent->host.has_room = (byte & 1) != 0;
            seat.parent->host.splits = (byte & 2) != 0;
            break;
        }
        case 11: create_vp(seat, input); break;
        case 12: delete_vp(seat, input); break;
        case 13: map(seat, input); break;
        case 14: unmap(seat, input); break;
        default: call(seat, input); break;
        }
        for (auto& each : seats_)
            check(registry_, each);
    }

    void end()
    {
        for (auto& seat : seats_) {
            auto& guest = seat.parent->guest;
            registry_.remove(*guest.partition);
            require(seat.parent->host.alive.machines == 0, "no machine is left behind a parent");
            require(seat.parent->host.alive.processors == 0, "nor a processor");
            require(only_nodes_charged(*guest.partition, Seat::pool), "a parent's pool has again what it had");
            for (auto const& child : seat.children)
                require(registry_.find(PartitionId{child.id}) == nullptr, "no child is left behind a parent");
        }
    }

  private:
    /// nullptr: there is none of this number.
    static Model* own(Seat& seat, std::uint8_t name)
    {
        auto const number = name % 5U;
        return number < seat.children.size() ? &seat.children[number] : nullptr;
    }

    /// Of a child that is not there, or another guest's; and what to expect then.
    struct Stranger {
        std::uint64_t id;
        Status status;
    };
    [[nodiscard]] Stranger stranger(Seat const& seat, std::uint8_t name) const
    {
        auto const& other = &seat == seats_.data() ? seats_[1] : seats_[0];
        if (name % 5U == 4 && !other.children.empty()) return {other.children.front().id, Status::AccessDenied};
        return {0x1234'5678, Status::InvalidPartitionId};
    }

    template <typename Call>
    [[nodiscard]] bool is_own(Seat& seat, std::uint8_t name, Call call) const
    {
        if (own(seat, name)) return true;
        auto const [id, status] = stranger(seat, name);
        require(call(id) == status, "others' children are not to be reached");
        return false;
    }

    static void create(Seat& seat, std::uint64_t flags)
    {
        constexpr std::uint64_t known = 1U << 4 | 1U << 8 | 1U << 13 | 1U << 19 | 1U << 22;
        auto const free = seat.parent->guest.partition->pool().free_bytes();
        auto const made = seat.parent->create({.flags = flags});
        auto const used = seat.children.size();
        auto expected = Status::Success;
        if ((flags & ~known) != 0)
            expected = Status::InvalidParameter;
        else if (used == 3)
            expected = Status::NoResources;
        else if (free < child_partition_charge)
            expected = Status::InsufficientMemory;
        else if (!seat.parent->host.has_room)
            expected = Status::NoResources;
        require(made.status == expected, "a partition is made when it may be");
        if (made.status == Status::Success) seat.children.push_back({.id = made.id});
    }

    void initialize(Seat& seat, std::uint8_t name) const
    {
        auto const call = [&](std::uint64_t id) { return seat.parent->initialize(id); };
        if (!is_own(seat, name, call)) return;
        auto& child = *own(seat, name);
        auto expected = Status::Success;
        if (child.stage != Model::Stage::Uninitialized)
            expected = Status::InvalidPartitionState;
        else if (child.pool.size() < initial_pages)
            expected = Status::InsufficientMemory;
        require(call(child.id) == expected, "a partition becomes active when it may");
        if (expected == Status::Success) child.stage = Model::Stage::Active;
    }

    void finalize(Seat& seat, std::uint8_t name) const
    {
        auto const call = [&](std::uint64_t id) { return seat.parent->finalize(id); };
        if (!is_own(seat, name, call)) return;
        auto& child = *own(seat, name);
        bool const may = child.stage == Model::Stage::Active;
        require(call(child.id) == (may ? Status::Success : Status::InvalidPartitionState),
                "an active one is finalized");
        if (!may) return;
        child.stage = Model::Stage::Finalized;
        child.vps.clear();
        child.map = {};
        child.connections.clear();
        for (auto const of_vps : {1U, 3U})
            seat.forget_overlays(of_vps, child.id);
    }

    void remove(Seat& seat, std::uint8_t name) const
    {
        auto const call = [&](std::uint64_t id) { return seat.parent->remove(id); };
        if (!is_own(seat, name, call)) return;
        auto const& child = *own(seat, name);
        auto expected = Status::Success;
        if (child.stage == Model::Stage::Active)
            expected = Status::InvalidPartitionState;
        else if (!child.pool.empty())
            expected = Status::OperationDenied;
        require(call(child.id) == expected, "an empty one is deleted");
        if (expected != Status::Success) return;
        seat.forget_overlays(2, child.id);
        seat.children.erase(seat.children.begin() + (&child - seat.children.data()));
    }

    void deposit(Seat& seat, fuzz::Input& input) const
    {
        auto const name = input.byte();
        std::vector<std::uint64_t> pages(1 + input.below(60));
        for (auto& page : pages)
            page = 0x10 + input.below(0x34); // some beyond memory; none that the calls themselves need
        auto const call = [&](std::uint64_t id) { return status_of(seat.parent->deposit(id, pages)); };
        if (!is_own(seat, name, call)) return;
        auto& child = *own(seat, name);

        auto status = child.stage == Model::Stage::Finalized ? Status::InvalidPartitionState : Status::Success;
        std::set<std::uint64_t> taken;
        for (auto const page : pages) {
            if (status != Status::Success) break;
            if (page >= TestGuest::pages || seat.parent->host.hidden.contains(page))
                status = Status::OperationDenied;
            else if (seat.is_covered(page) || taken.contains(page) || is_mapped(seat, page))
                status = Status::ObjectInUse;
            else
                taken.insert(page);
        }
        if (!taken.empty() && !seat.parent->host.splits) {
            status = Status::NoResources;
            taken.clear();
        }
        require(seat.parent->deposit(child.id, pages) == abi::result(status, taken.size()),
                "pages go into a pool as far as they may");
        child.pool.insert(child.pool.end(), taken.begin(), taken.end());
    }

    void withdraw(Seat& seat, fuzz::Input& input) const
    {
        auto const name = input.byte();
        std::uint64_t const count = 1 + input.below(60);
        auto const call = [&](std::uint64_t id) { return status_of(seat.parent->withdraw(id, count)); };
        if (!is_own(seat, name, call)) return;
        auto& child = *own(seat, name);
        auto const done = std::min(count, child.pool.size() - child.in_use());
        auto const result = seat.parent->withdraw(child.id, count);
        require(result == abi::result(done == count ? Status::Success : Status::NoResources, done),
                "pages that nobody uses come back");
        for (std::uint64_t n = 0; n < done; ++n) {
            auto const page = output_element<std::uint64_t>(seat.parent->guest, n);
            require(std::erase(child.pool, page) == 1, "what comes back was deposited");
            auto const* const bytes = seat.parent->guest.ram.get() + page * page_size;
            require(std::all_of(bytes, bytes + page_size, [](std::byte b) { return b == std::byte{0}; }),
                    "and holds zeros");
        }
    }

    void ask_balance(Seat& seat, std::uint8_t name) const
    {
        auto const call = [&](std::uint64_t id) { return seat.parent->balance(id).status; };
        if (!is_own(seat, name, call)) return;
        auto const& child = *own(seat, name);
        require(seat.parent->balance(child.id) ==
                    ParentGuest::Balance{Status::Success, child.pool.size() - child.in_use(), child.in_use()},
                "a balance is that of the pool");
    }

    static void enumerate(Seat& seat)
    {
        auto const& guest = seat.parent->guest;
        std::uint64_t at = 0;
        for (std::size_t n = 0; n <= seat.children.size(); ++n) {
            auto const next = guest.partition->registry().next_child(guest.partition->id(), PartitionId{at});
            auto const expected = n < seat.children.size() ? seat.children[n].id : 0;
            require(next && next->value == expected, "children are told in the order of their creation");
            at = expected;
        }
    }

    void set_privileges(Seat& seat, fuzz::Input& input) const
    {
        auto const name = input.byte();
        auto const value = input.value();
        auto const call = [&](std::uint64_t id) {
            return hv::testing::call(
                seat.parent->guest, abi::CallCode::SetPartitionProperty,
                abi::SetPartitionPropertyInput{id, abi::PartitionProperty::PrivilegeFlags, 0, value});
        };
        if (!is_own(seat, name, call)) return;
        auto const& child = *own(seat, name);
        auto const may = Rights::root().privileges() & ~(std::uint64_t{1} << 32);
        auto expected = Status::Success;
        if ((value & ~may) != 0)
            expected = Status::PropertyValueOutOfRange;
        else if (child.stage != Model::Stage::Uninitialized)
            expected = Status::InvalidPartitionState;
        require(call(child.id) == expected, "a partition gets no right that its parent has not");
    }

    void create_vp(Seat& seat, fuzz::Input& input) const
    {
        auto const name = input.byte();
        std::uint32_t const index = input.byte() & 7U;
        auto const call = [&](std::uint64_t id) { return seat.parent->create_vp(id, index); };
        if (!is_own(seat, name, call)) return;
        auto& child = *own(seat, name);
        std::size_t all = 0;
        for (auto const& other : seat.children)
            all += other.vps.size();
        auto expected = Status::Success;
        if (child.stage != Model::Stage::Active)
            expected = Status::InvalidPartitionState;
        else if (index >= most_vps || child.vps.contains(index))
            expected = Status::InvalidVpIndex;
        else if (all == most_vps)
            expected = Status::NoResources;
        else if (!child.can_pay(child_vp_charge))
            expected = Status::InsufficientMemory;
        require(call(child.id) == expected, "a VP is made when it may be");
        if (expected == Status::Success) child.vps.insert(index);
    }

    void delete_vp(Seat& seat, fuzz::Input& input) const
    {
        auto const name = input.byte();
        std::uint32_t const index = input.byte() & 7U;
        auto const call = [&](std::uint64_t id) { return seat.parent->delete_vp(id, index); };
        if (!is_own(seat, name, call)) return;
        auto& child = *own(seat, name);
        auto expected = child.vps.contains(index) ? Status::Success : Status::InvalidVpIndex;
        if (child.stage != Model::Stage::Active) expected = Status::InvalidPartitionState;
        require(call(child.id) == expected, "a VP that is there is deleted");
        if (expected != Status::Success) return;
        child.vps.erase(index);
        for (auto const of_vps : {1U, 3U})
            seat.forget_overlays(of_vps, child.id, index);
    }

    void map(Seat& seat, fuzz::Input& input) const
    {
        constexpr std::array<std::uint32_t, 3> rights{abi::map_flag::no_access, abi::map_flag::readable,
                                                      abi::map_flag::readable | abi::map_flag::writable};
        auto const name = input.byte();
        auto const base = std::uint64_t{input.byte()};
        auto const access = input.byte() % 3U;
        std::vector<std::uint64_t> pages(1 + input.below(40));
        for (auto& page : pages)
            page = input.below(0x44);
        auto const result = [&](std::uint64_t id) { return seat.parent->map(id, base, pages, rights[access]); };
        if (!is_own(seat, name, [&](std::uint64_t id) { return status_of(result(id)); })) return;
        auto& child = *own(seat, name);
        auto const expected = map_pages(seat, child, base, pages, static_cast<GpaAccess>(access));
        require(result(child.id) == abi::result(expected, expected == Status::Success ? pages.size() : 0),
                "pages are mapped all or not at all");
        check_map(child);
    }

    void unmap(Seat& seat, fuzz::Input& input) const
    {
        auto const name = input.byte();
        auto const base = std::uint64_t{input.byte()};
        std::uint64_t const count = 1 + input.below(60);
        auto const result = [&](std::uint64_t id) { return seat.parent->unmap(id, base, count); };
        if (!is_own(seat, name, [&](std::uint64_t id) { return status_of(result(id)); })) return;
        auto& child = *own(seat, name);
        auto expected = Status::InvalidPartitionState;
        if (child.stage == Model::Stage::Active) expected = keep(child, child.map.unmap(base, count));
        require(result(child.id) == abi::result(expected, expected == Status::Success ? count : 0),
                "pages are unmapped");
        check_map(child);
    }

    void check_map(Model const& child) const
    {
        require(registry_.find(PartitionId{child.id})->child()->map.all() == child.map.all(),
                "a child's map is what its parent has made it");
    }

    /// SIMP, SIEFP, SIRBP, or else SCONTROL or a SINT.
    static void write_msr(Seat& seat, std::uint8_t which, std::uint8_t byte)
    {
        constexpr std::array<std::uint32_t, 3> pages{abi::msr::simp, abi::msr::siefp, abi::msr::sirbp};
        if (which >= pages.size()) {
            auto const other = which - pages.size();
            auto const sint = static_cast<std::uint32_t>(other % (sint_count + 1));
            if (sint == sint_count) return testing::write_msr(seat.parent->guest, abi::msr::scontrol, byte & 1U);
            auto const value = std::uint64_t{byte} | 0x10U | std::uint64_t{other > 0x3F ? 1U : 0U} << 19;
            return testing::write_msr(seat.parent->guest, abi::msr::sint0 + sint, value);
        }
        auto const page = 0x10 + (byte & 0x1FU);
        bool const enabled = (byte & 0x80) != 0;
        testing::write_msr(seat.parent->guest, pages[which], page << 12 | unsigned{enabled});
        seat.overlays.erase(Seat::of_msr(pages[which]));
        if (enabled) seat.overlays.emplace(Seat::of_msr(pages[which]), page);
    }

    void call(Seat& seat, fuzz::Input& input) const
    {
        auto const name = input.byte();
        auto const which = input.byte();
        auto* const child = own(seat, name);
        auto const other = child ? Stranger{child->id, Status::Success} : stranger(seat, name);
        if (which % 2 == 0)
            ParentMemoryCall{seat, other.id, child, other.status, input}.make(which / 2);
        else
            ParentEventCall{seat, other.id, child, other.status, input}.make(which / 2);
    }

    PartitionRegistry registry_;
    std::array<Seat, 2> seats_{Seat{registry_}, Seat{registry_}};
};

} // namespace

extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* data, std::size_t size);

extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* data, std::size_t size)
{
    fuzz::Input input{{data, size}};
    World world;
    return fuzz::play(world, input);
}
