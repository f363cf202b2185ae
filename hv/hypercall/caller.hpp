/// Who makes a hypercall, and whom the caller may act upon.
#pragma once

#include "hv/abi/status.hpp"
#include "hv/abi/types.hpp"
#include "hv/cpuid/privileges.hpp"
#include "hv/partition/partition.hpp"

#include <cstdint>
#include <memory>

namespace hv {

class VirtualProcessor;

/// A partition that a call names, or why the caller may not name it.
class Target {
  public:
    explicit Target(Status refused) : status_{refused} {}
    explicit Target(Partition& self) : partition_{&self} {}
    explicit Target(std::shared_ptr<Partition> other) : keep_{std::move(other)}, partition_{keep_.get()} {}

    [[nodiscard]] explicit operator bool() const { return partition_ != nullptr; }
    [[nodiscard]] Status status() const { return status_; }
    [[nodiscard]] Partition& operator*() const { return *partition_; }
    [[nodiscard]] Partition* operator->() const { return partition_; }

  private:
    std::shared_ptr<Partition> keep_;
    Partition* partition_ = nullptr;
    Status status_ = Status::Success;
};

struct Caller {
    Partition& partition;
    VirtualProcessor& vp;

    /// The named partition, whoever's it is: InvalidPartitionId when there is none. HV_PARTITION_ID_SELF is the
    /// caller.
    [[nodiscard]] Target named(std::uint64_t id) const;

    /// The named partition when the caller is it or its parent and has the privilege, else AccessDenied. A caller
    /// without the privilege does not learn which partitions exist.
    [[nodiscard]] Target controlled(std::uint64_t id, Privilege privilege) const;

    /// The named partition when it is the caller's child and the caller may act on children (CreatePartitions, TLFS
    /// 6.0b §4.2.2), else AccessDenied.
    [[nodiscard]] Target child(std::uint64_t id) const;
    /// The caller itself, or its child as above.
    [[nodiscard]] Target self_or_child(std::uint64_t id) const;
};

} // namespace hv
