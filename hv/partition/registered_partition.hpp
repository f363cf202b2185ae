/// A partition that is in a registry for as long as whoever made it.
#pragma once

#include "hv/partition/registry.hpp"

#include <memory>
#include <utility>

namespace hv {

/// A place for a partition, which leaves the registry at the end of the place's scope. The registry outlives it.
class RegisteredPartition {
  public:
    explicit RegisteredPartition(PartitionRegistry& registry) : registry_{registry} {}
    RegisteredPartition(RegisteredPartition const&) = delete;
    RegisteredPartition& operator=(RegisteredPartition const&) = delete;
    ~RegisteredPartition() { remove(); }

    /// Once.
    void create(PartitionConfig const& config) { partition_ = registry_.create(config); }
    /// As PartitionRegistry::remove, where there is one.
    void remove()
    {
        if (auto const partition = std::move(partition_)) registry_.remove(*partition);
    }

    [[nodiscard]] std::shared_ptr<Partition> const& get() const { return partition_; }
    [[nodiscard]] explicit operator bool() const { return partition_ != nullptr; }
    Partition& operator*() const { return *partition_; }
    Partition* operator->() const { return partition_.get(); }

  private:
    PartitionRegistry& registry_;
    std::shared_ptr<Partition> partition_;
};

} // namespace hv
