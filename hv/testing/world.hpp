/// A partition without a machine, for unit tests: plain memory, a hand-cranked clock, recorders for what the model
/// asks of the world.
#pragma once

#include "hv/partition/communication.hpp"
#include "hv/partition/registry.hpp"
#include "hv/vp/virtual_processor.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <sys/mman.h>
#include <vector>

namespace hv::testing {

struct CrankedClock final : Clock {
    std::uint64_t tsc = 1'000'000;

    [[nodiscard]] std::uint64_t guest_tsc() const override { return tsc; }
    [[nodiscard]] std::uint64_t tsc_hz() const override { return 1'000'000'000; }
    [[nodiscard]] std::uint64_t apic_hz() const override { return 1'000'000'000; }
    void advance_100ns(std::uint64_t ticks) { tsc += ticks * 100; }
};

struct Assertion {
    std::uint32_t vp;
    std::uint8_t vector;
    bool auto_eoi;

    friend bool operator==(Assertion const&, Assertion const&) = default;
};

/// Callable from several threads, as the real one is.
struct RecordingSink final : InterruptSink {
    std::mutex lock;
    std::vector<Assertion> asserted;
    std::vector<VirtualInterrupt> sent;
    std::vector<std::uint32_t> external; // VP indices
    unsigned retries = 0;
    std::vector<std::uint32_t> synics_enabled; // VP indices
    bool hears_eois = false;

    [[nodiscard]] bool tells_eois() const override { return hears_eois; }
    void assert_vector(VpIndex vp, std::uint8_t vector, bool auto_eoi) override
    {
        std::lock_guard const guard{lock};
        asserted.push_back({vp.value, vector, auto_eoi});
    }
    void send(VirtualInterrupt const& interrupt) override
    {
        std::lock_guard const guard{lock};
        sent.push_back(interrupt);
    }
    void external_interrupt_waits(VpIndex vp) override
    {
        std::lock_guard const guard{lock};
        external.push_back(vp.value);
    }
    void retry_messages_later(VpIndex) override
    {
        std::lock_guard const guard{lock};
        ++retries;
    }
    void synic_enabled(VpIndex vp) override
    {
        std::lock_guard const guard{lock};
        synics_enabled.push_back(vp.value);
    }
};

struct FakeAcceleration final : Acceleration {
    std::vector<std::uint64_t> guest_os_ids; ///< that it was told
    std::function<void(std::optional<Gpa>)> assist_page_placed;
    std::vector<Gpa> reference_tsc_pages;        ///< that it was told of
    std::vector<std::optional<Gpa>> moved_pages; ///< of reference time that has moved
    unsigned tsc_moves = 0;
    std::optional<bool> invariant_tsc;
    bool takes_direct_timers = false;
    std::map<unsigned, std::pair<std::uint8_t, RefTime>> direct_timers; ///< that run: vector and time

    [[nodiscard]] bool start_direct_timer(unsigned timer, std::uint8_t vector, RefTime when) override
    {
        if (takes_direct_timers) direct_timers[timer] = {vector, when};
        return takes_direct_timers;
    }
    void stop_direct_timer(unsigned timer) override { direct_timers.erase(timer); }
    [[nodiscard]] bool direct_timer_runs(unsigned timer) const override { return direct_timers.contains(timer); }
    void guest_os_identified(std::uint64_t id) override { guest_os_ids.push_back(id); }
    void reference_tsc_page_enabled(Gpa page) override { reference_tsc_pages.push_back(page); }
    void reference_time_moved(std::optional<Gpa> page) override { moved_pages.push_back(page); }
    void tsc_moved() override { ++tsc_moves; }
    void assist_page_at(std::optional<Gpa> page) override
    {
        if (assist_page_placed) assist_page_placed(page);
    }
    void expose_invariant_tsc(bool on) override { invariant_tsc = on; }
};

struct FakeVpControl final : VpControl {
    FakeAcceleration accelerated;
    bool is_accelerated = true;
    std::optional<RefTime> deadline;
    unsigned idles = 0;
    unsigned yields = 0;
    std::array<std::byte, 96> xmm{};
    std::map<abi::RegisterName, abi::RegisterValue> registers; ///< those that there are
    std::function<void()> on_kick = [] {};
    unsigned settled = 0;
    bool takes_values = true;
    bool waits_for_start = false;
    std::optional<abi::InitialVpContext> started;

    void arm_deadline(RefTime when) override { deadline = when; }
    void disarm_deadline() override { deadline.reset(); }
    [[nodiscard]] Acceleration* acceleration() override { return is_accelerated ? &accelerated : nullptr; }
    void idle() override { ++idles; }
    void yield() override { ++yields; }
    void kick() override { on_kick(); }
    void settle() override { ++settled; }
    [[nodiscard]] Result<abi::RegisterValue> get_register(abi::RegisterName name) const override
    {
        auto const found = registers.find(name);
        if (found == registers.end()) return Status::InvalidParameter;
        return found->second;
    }
    [[nodiscard]] Status set_register(abi::RegisterName name, abi::RegisterValue const& value) override
    {
        if (!registers.contains(name)) return Status::InvalidParameter;
        if (!takes_values) return Status::InvalidRegisterValue;
        registers[name] = value;
        return Status::Success;
    }
    [[nodiscard]] Status start(abi::InitialVpContext const& context) override
    {
        if (!waits_for_start) return Status::InvalidVpState;
        if (!takes_values) return Status::InvalidRegisterValue;
        waits_for_start = false;
        started = context;
        return Status::Success;
    }
    [[nodiscard]] std::uint64_t runtime_100ns() const override { return 4242; }
    [[nodiscard]] bool read_xmm(std::span<std::byte, 96> out) const override
    {
        std::ranges::copy(xmm, out.begin());
        return true;
    }
};

struct RecordingMachine final : MachineControl {
    unsigned resets = 0;
    std::vector<CrashReport> crashes;

    void reset() override { ++resets; }
    void report_crash(CrashReport const& report) override { crashes.push_back(report); }
    [[nodiscard]] bool set_tsc(std::uint64_t tsc) override
    {
        if (tsc_of) tsc_of->tsc = tsc;
        return tsc_of != nullptr;
    }

    CrankedClock* tsc_of = nullptr; ///< may be set
};

/// Hears everything and keeps nothing. A test overrides what it wants to see.
struct QuietTracer : Tracer {
    void hypercall(VpIndex, abi::Control, char const*, std::span<std::byte const>, std::uint64_t) override {}
    void msr_read(VpIndex, std::uint32_t, std::uint64_t, bool) override {}
    void msr_write(VpIndex, std::uint32_t, std::uint64_t, bool) override {}
    void message(VpIndex, Sint, abi::MessageHeader const&, MessageStep) override {}
    void event(VpIndex, Sint, unsigned, bool) override {}
    void interrupt(VpIndex, std::uint8_t, bool) override {}
};

/// One guest partition with some VPs and 64 pages of memory at GPA 0.
struct TestGuest {
    static constexpr std::size_t pages = 64;

    explicit TestGuest(PartitionRegistry& registry, Rights rights = Rights::root(), unsigned vps = 2,
                       PartitionId parent = PartitionRegistry::root_id,
                       std::uint64_t pool_bytes = std::uint64_t{64} << 20, Tracer* tracer = nullptr,
                       ChildHost* children = nullptr)
        : ram{map_ram()}
    {
        memory.add({Gpa{0}, pages * page_size, ram.get()});
        partition = registry.create({.parent = parent,
                                     .rights = rights,
                                     .pool_bytes = pool_bytes,
                                     .memory = memory,
                                     .clock = clock,
                                     .interrupts = sink,
                                     .machine = machine,
                                     .tracer = tracer,
                                     .children = children});
        for (unsigned i = 0; i < vps; ++i) {
            controls.push_back(std::make_unique<FakeVpControl>());
            auto& vp = partition->add_vp(*controls.back());
            vp.requests().open();
            controls.back()->on_kick = [&vp] { vp.requests().serve(); }; // as if its thread did it at once
        }
    }

    [[nodiscard]] VirtualProcessor& vp(unsigned index = 0) const { return *partition->vps()[index]; }

    struct FreeRam {
        void operator()(std::byte* p) const { ::munmap(p - page_size, (pages + 2) * page_size); }
    };

    /// With a page on either side that nobody can touch.
    [[nodiscard]] static std::byte* map_ram()
    {
        auto* const all = static_cast<std::byte*>(
            ::mmap(nullptr, (pages + 2) * page_size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
        ::mprotect(all + page_size, pages * page_size, PROT_READ | PROT_WRITE);
        return all + page_size;
    }

    std::unique_ptr<std::byte[], FreeRam> ram;
    GuestMemory memory;
    CrankedClock clock;
    RecordingSink sink;
    RecordingMachine machine;
    std::vector<std::unique_ptr<FakeVpControl>> controls;
    std::shared_ptr<Partition> partition;
};

} // namespace hv::testing
