#include "hv/partition/registry.hpp"

#include "hv/partition/children.hpp"
#include "hv/partition/communication.hpp"
#include "hv/vp/virtual_processor.hpp"

#include <chrono>
#include <mutex>

namespace hv {

/// The root has no VPs and no guest memory, so what a partition asks of the world is never asked for it.
struct PartitionRegistry::RootWorld final : Clock, InterruptSink, MachineControl {
    static constexpr std::uint64_t hz = 1'000'000'000;

    [[nodiscard]] std::uint64_t guest_tsc() const override
    {
        return static_cast<std::uint64_t>(std::chrono::steady_clock::now().time_since_epoch().count());
    }
    [[nodiscard]] std::uint64_t tsc_hz() const override { return hz; }
    [[nodiscard]] std::uint64_t apic_hz() const override { return hz; }
    void assert_vector(VpIndex, std::uint8_t, bool) override {}
    void send(VirtualInterrupt const&) override {}
    void external_interrupt_waits(VpIndex) override {}
    void retry_messages_later(VpIndex) override {}
    void reset() override {}
    void report_crash(CrashReport const&) override {}

    GuestMemory const memory{};
};

PartitionRegistry::PartitionRegistry() : root_world_{std::make_unique<RootWorld>()}
{
    constexpr auto unlimited = ~std::uint64_t{0} >> 1;
    PartitionConfig const config{.parent = invalid_partition,
                                 .rights = Rights::root(),
                                 .pool_bytes = unlimited,
                                 .memory = root_world_->memory,
                                 .clock = *root_world_,
                                 .interrupts = *root_world_,
                                 .machine = *root_world_};
    root_ = std::make_shared<Partition>(*this, root_id, config);
    partitions_.emplace(root_id, root_);
}

PartitionRegistry::~PartitionRegistry()
{
    for (auto const& [id, partition] : partitions_)
        communication::sever(*partition);
}

std::shared_ptr<Partition> PartitionRegistry::create(PartitionConfig const& config)
{
    std::lock_guard const guard{lock_};
    auto const id = next_id_;
    ++next_id_.value;
    auto partition = std::make_shared<Partition>(*this, id, config);
    partition->parent_.store(existing_or_root(config.parent), std::memory_order_relaxed);
    partitions_.emplace(id, partition);
    return partition;
}

void PartitionRegistry::remove(Partition& partition)
{
    if (auto* const children = partition.children()) children->end_all();
    partition.set_active(false);
    std::shared_ptr<Partition> kept; // ends after what follows
    {
        std::lock_guard const guard{lock_};
        if (auto const found = partitions_.extract(partition.id())) kept = found.mapped();
        for (auto const& [id, other] : partitions_) {
            if (other->parent() == partition.id()) other->parent_.store(root_id, std::memory_order_relaxed);
        }
    }
    // Whoever is refused at one of its ports from now on finds no such partition either.
    deactivate(partition);
}

void PartitionRegistry::deactivate(Partition& partition)
{
    partition.set_active(false);
    communication::sever(partition);
    monitors_.stop_all(partition);
    partition.wait_for_visits();
}

std::optional<PartitionId> PartitionRegistry::next_child(PartitionId parent, PartitionId previous) const
{
    std::lock_guard const guard{lock_};
    auto at = partitions_.begin();
    if (previous != invalid_partition) {
        at = partitions_.find(previous);
        if (at == partitions_.end() || at->second->parent() != parent) return std::nullopt;
        ++at;
    }
    for (; at != partitions_.end(); ++at)
        if (at->second->parent() == parent) return at->first;
    return invalid_partition;
}

void PartitionRegistry::set_parent(Partition& child, PartitionId parent)
{
    std::lock_guard const guard{lock_};
    child.parent_.store(existing_or_root(parent), std::memory_order_relaxed);
}

PartitionId PartitionRegistry::existing_or_root(PartitionId id) const
{
    return partitions_.contains(id) ? id : root_id;
}

std::shared_ptr<Partition> PartitionRegistry::find(PartitionId id) const
{
    std::lock_guard const guard{lock_};
    auto const found = partitions_.find(id);
    return found == partitions_.end() ? nullptr : found->second;
}

} // namespace hv
