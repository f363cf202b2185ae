/// Who makes a hypercall, and whom the caller may act upon.
#pragma once

#include "hv/abi/status.hpp"
#include "hv/abi/types.hpp"
#include "hv/hypercall/call_info.hpp"
#include "hv/partition/partition.hpp"

#include <cstddef>
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

/// Who makes which call.
struct Caller {
    Partition& partition;
    VirtualProcessor& vp;
    CallInfo const& call;
    std::size_t rep_start = 0; ///< of a rep call: so many elements of its list are done already

    /// The caller has the privilege that the call wants, if it wants one.
    [[nodiscard]] bool permitted() const
    {
        auto const privilege = call.access.privilege;
        return !privilege || partition.rights().has(*privilege);
    }

    /// The partition that the call is to act upon, when its definition says that the caller may, else AccessDenied. A
    /// caller without the privilege does not learn which partitions exist; to others, one that does not is
    /// InvalidPartitionId.
    [[nodiscard]] Target target(std::uint64_t id) const;

    /// The named partition, whoever's it is: InvalidPartitionId when there is none. HV_PARTITION_ID_SELF is the
    /// caller.
    [[nodiscard]] Target named(std::uint64_t id) const;
};

} // namespace hv
