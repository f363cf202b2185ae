/// Partitions that this guest makes, in the words of a test (TLFS 2.0a 5.6, 7.3).
#pragma once

#include "hyperv/vp_calls.hpp"
#include "runtime/hyperv.hpp"
#include "runtime/memory.hpp"
#include "runtime/test.hpp"

/// The right to make partitions, and hypercalls.
#define NEEDS_CHILDREN()                                                                                             \
    NEEDS(create_partitions);                                                                                        \
    NEEDS(access_memory_pool);                                                                                       \
    NEEDS(hypercall_msrs);                                                                                           \
    guest::hv::enable_hypercalls()

namespace guest {

inline constexpr u64 no_partition = 0;

struct CreatePartitionInput {
    u64 flags = 0;
    u64 proximity = 0;
    u32 compatibility_version = 0, padding = 0;
    u64 disabled_features[2]{}, disabled_xsave = 0;
    u64 reserved = 0;
};
static_assert(sizeof(CreatePartitionInput) == 56);

struct Created {
    hv::Status status;
    u64 partition;
};
Created create_partition(CreatePartitionInput const& input = {});
hv::Status initialize_partition(u64 partition);
hv::Status finalize_partition(u64 partition);
hv::Status delete_partition(u64 partition);

/// Next child, or no_partition behind the last.
struct NextChild {
    hv::Status status;
    u64 partition;
};
NextChild next_child(u64 parent, u64 previous);

inline constexpr u32 privilege_flags = 0x0001'0000;    ///< a property (2.0a 5.3.7)
inline constexpr u32 processor_features = 0x0001'0001; ///< SyntheticProcFeatures (Linux, hvhdk.h)
hv::Status set_partition_property(u64 partition, u32 code, u64 value);

/// Pages for pools: `spare_pages` of them, one after the other.
inline constexpr u32 spare_pages = 256;
Page& spare_page(u32 number);

/// Deposits spare pages from `first` on; the whole result value.
u64 deposit(u64 partition, u32 first, u32 count);
u64 deposit_page(u64 partition, u64 page_number);
/// The whole result value; the page numbers are ListCall::out's.
u64 withdraw(u64 partition, u32 count);

struct Balance {
    hv::Status status;
    u64 available, in_use;
};
Balance balance(u64 partition);

/// Takes apart whatever children there are, in whatever state; how many.
u32 take_all_children_apart();

} // namespace guest
