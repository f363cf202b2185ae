/// A host of children that makes no machines: it notes what it is asked for, and takes pages out of a test guest's
/// memory.
#pragma once

#include "hv/abi/child.hpp"
#include "hv/abi/vp_calls.hpp"
#include "hv/child/child_host.hpp"
#include "hv/child/xsave_area.hpp"
#include "hv/testing/fabric.hpp"

#include <algorithm>
#include <atomic>
#include <cstring>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <vector>

namespace hv::testing {

/// A processor without a thread: what is asked of its VP is done at once.
struct RecordingChildProcessor final : ChildProcessor {
    explicit RecordingChildProcessor(std::atomic<unsigned>& alive) : alive_{alive} { ++alive_; }
    ~RecordingChildProcessor() override { --alive_; }

    [[nodiscard]] VpControl& control() override { return fake; }
    [[nodiscard]] std::vector<CpuidEntry> cpuid() const override { return leaves; }
    [[nodiscard]] bool set_cpuid(std::span<CpuidEntry const> entries) override
    {
        if (!takes_leaves) return false;
        shown.assign(entries.begin(), entries.end());
        return true;
    }
    [[nodiscard]] bool read_apic(LocalApicPage& page) const override
    {
        if (apic) page = *apic;
        return apic.has_value();
    }
    [[nodiscard]] bool write_apic(LocalApicPage const& page) override
    {
        if (takes_state) apic = page;
        return takes_state;
    }
    [[nodiscard]] bool read_xsave(std::span<std::byte> area) const override
    {
        std::ranges::copy(xsave, area.begin());
        return takes_state;
    }
    [[nodiscard]] bool write_xsave(std::span<std::byte const> area) override
    {
        if (takes_state) xsave.assign(area.begin(), area.end());
        return takes_state;
    }
    void begin(VirtualProcessor& begun, VpSupervisor& by) override
    {
        fake.is_accelerated = false;
        fake.on_kick = [&begun] { begun.requests().serve(); };
        vp = &begun;
        supervisor = &by;
    }
    void end() override
    {
        if (vp) vp->requests().close();
        supervisor = nullptr;
    }

    FakeVpControl fake;
    std::vector<CpuidEntry> leaves; ///< CPUID, and the same as it is now
    std::vector<CpuidEntry> shown;
    bool takes_leaves = true;
    std::optional<LocalApicPage> apic;
    std::vector<std::byte> xsave = std::vector<std::byte>(most_xsave_bytes);
    bool takes_state = true;
    Rights rights;
    VirtualProcessor* vp = nullptr;
    VpSupervisor* supervisor = nullptr; ///< while it runs

  private:
    std::atomic<unsigned>& alive_;
};

struct RecordingChildMachine final : ChildMachine {
    /// Counts what is there of each.
    struct Alive {
        std::atomic<unsigned> machines{0};
        std::atomic<unsigned> processors{0};
    };

    explicit RecordingChildMachine(Alive& alive) : alive_{alive} { ++alive_.machines; }
    ~RecordingChildMachine() override { --alive_.machines; }

    [[nodiscard]] GuestMemory const& memory() const override { return ram; }
    [[nodiscard]] std::span<CpuidEntry const> leaves() const override { return shown; }
    [[nodiscard]] Clock const& clock() const override { return clock_; }
    [[nodiscard]] InterruptSink& interrupts() override { return sink_; }
    [[nodiscard]] MachineControl& control() override { return control_; }
    [[nodiscard]] ChildHost* children() override { return below; }

    [[nodiscard]] std::unique_ptr<ChildProcessor> add_processor(VpIndex index, Rights const& rights,
                                                                ReferenceTime const&) override
    {
        if (!has_room) return nullptr;
        auto made = std::make_unique<RecordingChildProcessor>(alive_.processors);
        made->rights = rights;
        processors[index.value] = made.get();
        return made;
    }
    [[nodiscard]] bool change_memory(GpaChange const& change) override
    {
        if (!has_room) return false;
        for (auto const& run : change.removed)
            runs.erase(run.page);
        for (auto const& run : change.added)
            runs[run.page] = run;
        if (parents_ram) show_memory();
        return true;
    }

    [[nodiscard]] bool access_states(std::uint64_t first, std::uint64_t flags,
                                     std::span<std::uint8_t> states) override
    {
        if (!has_room) return false;
        for (auto& state : states) {
            auto const page = first++;
            bool const is_mapped = std::ranges::any_of(runs, [&](auto const& run) {
                return run.second.access != GpaAccess::None && page >= run.first && page < run.second.end();
            });
            state = is_mapped ? abi::page_access::accessed : std::uint8_t{0};
            if (dirty.contains(page)) state |= abi::page_access::dirty;
            if ((flags & abi::access_flag::clear_dirty) != 0) dirty.erase(page);
            if ((flags & abi::access_flag::set_dirty) != 0) dirty.insert(page);
        }
        return true;
    }

    std::set<std::uint64_t> dirty; ///< pages
    bool has_room = true;
    ChildHost* below = nullptr;                                   ///< makes its children, if it may have some
    GuestMemory ram;                                              ///< none, unless a test adds some
    std::byte* parents_ram = nullptr;                             ///< or it is what its parent has mapped of this
    std::vector<CpuidEntry> shown;                                ///< by CPUID
    std::map<std::uint32_t, RecordingChildProcessor*> processors; ///< the last of each index
    std::map<std::uint64_t, GpaRun> runs;                         ///< of memory

  private:
    void show_memory()
    {
        std::vector<GuestMemory::Region> regions;
        for (auto const& [page, run] : runs) {
            if (run.access != GpaAccess::ReadWrite) continue;
            regions.push_back({Gpa{page * page_size}, run.count * page_size, parents_ram + run.source * page_size});
        }
        ram.replace(regions);
    }

    Alive& alive_;
    CrankedClock clock_;
    RecordingSink sink_;
    RecordingMachine control_;
};

class RecordingChildHost final : public ChildHost {
  public:
    explicit RecordingChildHost(ChildLimits limits = {3, 4}) : limits_{limits} {}

    /// The guest whose pages it takes; without one they stay where they are.
    void attach(TestGuest& parent) { parent_ = &parent; }

    [[nodiscard]] ChildLimits limits() const override { return limits_; }
    [[nodiscard]] std::unique_ptr<ChildMachine> create(bool) override
    {
        if (!has_room) return nullptr;
        auto made = std::make_unique<RecordingChildMachine>(alive);
        made->below = below;
        if (gives_memory) made->parents_ram = parent_->ram.get();
        std::lock_guard const guard{lock_};
        last = made.get();
        return made;
    }
    [[nodiscard]] bool hide(std::span<std::uint64_t const> pages) override
    {
        std::lock_guard const guard{lock_};
        if (!splits) return false;
        hidden.insert(pages.begin(), pages.end());
        show_the_rest();
        return true;
    }
    void show(std::span<std::uint64_t const> pages) override
    {
        std::lock_guard const guard{lock_};
        for (auto const page : pages) {
            hidden.erase(page);
            if (parent_) std::memset(parent_->ram.get() + page * page_size, 0, page_size);
        }
        show_the_rest();
    }

    bool has_room = true;
    bool splits = true;
    ChildHost* below = nullptr; ///< of the machines that it makes
    bool gives_memory = false;  ///< to the machines that it makes
    RecordingChildMachine::Alive alive;
    RecordingChildMachine* last = nullptr; ///< the machine that was made last, while it is there
    std::set<std::uint64_t> hidden;        ///< page numbers

  private:
    void show_the_rest()
    {
        if (!parent_) return;
        std::vector<GuestMemory::Region> regions;
        for (std::uint64_t page = 0; page < TestGuest::pages; ++page) {
            if (hidden.contains(page)) continue;
            bool const follows =
                !regions.empty() && regions.back().base.value + regions.back().size == page * page_size;
            if (follows)
                regions.back().size += page_size;
            else
                regions.push_back({Gpa{page * page_size}, page_size, parent_->ram.get() + page * page_size});
        }
        parent_->memory.replace(regions);
    }

    ChildLimits const limits_;
    TestGuest* parent_ = nullptr;
    std::mutex lock_;
};

/// A guest that makes children, in the words of a test.
struct ParentGuest {
    explicit ParentGuest(PartitionRegistry& registry, Rights rights = Rights::root(), ChildLimits limits = {3, 4},
                         std::uint64_t pool_bytes = std::uint64_t{64} << 20)
        : host{limits}, guest{registry, rights, 2, PartitionRegistry::root_id, pool_bytes, nullptr, &host}
    {
        host.attach(guest);
    }
    ~ParentGuest() { guest.partition->registry().remove(*guest.partition); } // while its host is there
    ParentGuest(ParentGuest const&) = delete;
    ParentGuest& operator=(ParentGuest const&) = delete;

    struct Made {
        Status status;
        std::uint64_t id;
    };
    [[nodiscard]] Made create(abi::CreatePartitionInput const& input = {}) const
    {
        if (!guest.memory.write(Gpa{place::input}, input)) return {Status::InvalidAlignment, 0};
        auto const control = static_cast<std::uint64_t>(abi::CallCode::CreatePartition);
        auto const status = status_of(dispatch(guest.vp(), {{control}, place::input, place::output}));
        return {status, status == Status::Success ? output_element<std::uint64_t>(guest, 0) : 0};
    }
    [[nodiscard]] Status initialize(std::uint64_t id) const { return about(abi::CallCode::InitializePartition, id); }
    [[nodiscard]] Status finalize(std::uint64_t id) const { return about(abi::CallCode::FinalizePartition, id); }
    [[nodiscard]] Status remove(std::uint64_t id) const { return about(abi::CallCode::DeletePartition, id); }
    [[nodiscard]] Status about(abi::CallCode code, std::uint64_t id) const
    {
        return call(guest, code, abi::PartitionInput{id});
    }
    /// The result value.
    [[nodiscard]] std::uint64_t deposit(std::uint64_t id, std::vector<std::uint64_t> const& pages,
                                        std::uint64_t start = 0) const
    {
        return rep_call(guest, abi::CallCode::DepositMemory, abi::DepositMemoryInput{id}, pages, start);
    }
    [[nodiscard]] std::uint64_t withdraw(std::uint64_t id, std::uint64_t count,
                                         abi::ProximityDomain const& where = {}) const
    {
        if (!guest.memory.write(Gpa{place::input}, abi::MemoryPoolInput{id, where})) return ~std::uint64_t{0};
        auto const control = static_cast<std::uint64_t>(abi::CallCode::WithdrawMemory) | reps(count);
        return dispatch(guest.vp(), {{control}, place::input, place::output});
    }
    struct Balance {
        Status status;
        std::uint64_t available, in_use;

        friend bool operator==(Balance const&, Balance const&) = default;
    };
    [[nodiscard]] Balance balance(std::uint64_t id, abi::ProximityDomain const& where = {}) const
    {
        auto const control = static_cast<std::uint64_t>(abi::CallCode::GetMemoryBalance);
        if (!guest.memory.write(Gpa{place::input}, abi::MemoryPoolInput{id, where}))
            return {Status::InvalidAlignment, 0, 0};
        auto const status = status_of(dispatch(guest.vp(), {{control}, place::input, place::output}));
        if (status != Status::Success) return {status, 0, 0};
        return {status, output_element<std::uint64_t>(guest, 0), output_element<std::uint64_t>(guest, 1)};
    }
    /// The value of a property; all ones when there is none.
    [[nodiscard]] std::uint64_t property(std::uint64_t id, abi::PartitionProperty code) const
    {
        if (!guest.memory.write(Gpa{place::input}, abi::GetPartitionPropertyInput{id, code, 0}))
            return ~std::uint64_t{0};
        auto const control = static_cast<std::uint64_t>(abi::CallCode::GetPartitionProperty);
        auto const status = status_of(dispatch(guest.vp(), {{control}, place::input, place::output}));
        return status == Status::Success ? output_element<std::uint64_t>(guest, 0) : ~std::uint64_t{0};
    }
    /// Page numbers, `count` of them, none of which the helpers of tests use.
    [[nodiscard]] static std::vector<std::uint64_t> spare_pages(std::size_t count, std::uint64_t first = 0x10)
    {
        std::vector<std::uint64_t> pages(count);
        for (auto& page : pages)
            page = first++;
        return pages;
    }
    /// One that is active, with 40 pages in its pool.
    [[nodiscard]] std::uint64_t active_child() const
    {
        auto const made = create();
        bool const good = made.status == Status::Success &&
                          status_of(deposit(made.id, spare_pages(40))) == Status::Success &&
                          initialize(made.id) == Status::Success;
        return good ? made.id : 0;
    }

    [[nodiscard]] Status create_vp(std::uint64_t id, std::uint32_t index) const
    {
        return call(guest, abi::CallCode::CreateVp, abi::CreateVpInput{.partition = id, .vp_index = index});
    }
    [[nodiscard]] Status delete_vp(std::uint64_t id, std::uint32_t index) const
    {
        return call(guest, abi::CallCode::DeleteVp, abi::DeleteVpInput{id, index, 0});
    }
    /// The result value.
    [[nodiscard]] std::uint64_t map(std::uint64_t id, std::uint64_t base, std::vector<std::uint64_t> const& pages,
                                    std::uint32_t flags, std::uint64_t start = 0) const
    {
        return rep_call(guest, abi::CallCode::MapGpaPages, abi::MapGpaPagesInput{id, base, flags, 0}, pages, start);
    }
    [[nodiscard]] std::uint64_t unmap(std::uint64_t id, std::uint64_t base, std::uint64_t count,
                                      std::uint32_t flags = 0) const
    {
        if (!guest.memory.write(Gpa{place::input}, abi::UnmapGpaPagesInput{id, base, flags, 0}))
            return ~std::uint64_t{0};
        auto const control = static_cast<std::uint64_t>(abi::CallCode::UnmapGpaPages) | reps(count);
        return dispatch(guest.vp(), {{control}, place::input, 0});
    }

    RecordingChildHost host; // outlives the guest's partition
    TestGuest guest;
};

} // namespace hv::testing
