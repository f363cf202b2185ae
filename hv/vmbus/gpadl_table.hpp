/// The GPADLs of one guest, complete ones and those whose page numbers are still coming.
#pragma once

#include "hv/abi/vmbus.hpp"
#include "hv/base/state.hpp"
#include "hv/base/sync.hpp"
#include "hv/partition/partition.hpp"
#include "hv/vmbus/channel.hpp"
#include "hv/vmbus/gpadl.hpp"

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <span>
#include <vector>

namespace hv::vmbus {

/// Changed on the executor only; `find` comes from any thread. What the guest makes it remember is charged to the
/// guest's pool.
class GpadlTable {
  public:
    explicit GpadlTable(std::shared_ptr<Partition> guest) : guest_{std::move(guest)} {}
    GpadlTable(GpadlTable const&) = delete;
    GpadlTable& operator=(GpadlTable const&) = delete;

    enum class Progress { Complete, More, Refused };

    /// The header message; `page_numbers` are the bytes behind it.
    [[nodiscard]] Progress begin(abi::GpadlHeader const& header, std::span<std::byte const> page_numbers);
    /// A body message. `channel` becomes the one that the header named.
    [[nodiscard]] Progress go_on(GpadlId id, std::span<std::byte const> page_numbers, ChannelId& channel);

    [[nodiscard]] std::shared_ptr<Gpadl const> find(ChannelId channel, GpadlId id) const;

    /// Forgets it. `unused` is called once nobody uses it any more, on the thread of the last user; at once, when
    /// there is none of that ID.
    void tear_down(GpadlId id, std::function<void()> unused);
    /// The guest has been told that it is torn down.
    void told(GpadlId id);
    void clear();

    [[nodiscard]] std::size_t size() const;
    [[nodiscard]] std::size_t unfinished() const { return unfinished_.size(); }

    /// Those too that were torn down and of which the guest has not been told: a device may use them still, which
    /// finds them here when it is restored after this.
    void visit(StateVisitor& visitor);
    /// To be torn down again, once the devices are restored. Once.
    [[nodiscard]] std::vector<GpadlId> restored_to_tear_down();

  private:
    struct Saved;

    struct Entry {
        ChannelId channel;
        std::shared_ptr<Gpadl> gpadl;
    };

    /// What a pool is charged for; gives it back when the last copy is gone.
    class Charge;

    struct Unfinished {
        ChannelId channel;
        std::uint32_t byte_count;
        std::uint32_t byte_offset;
        std::size_t page_count;
        std::vector<std::byte*> pages;
        std::shared_ptr<Charge> charge;
    };

    [[nodiscard]] Progress add_pages(GpadlId id, Unfinished& unfinished, std::span<std::byte const> page_numbers);

    [[nodiscard]] std::vector<Saved> saved() const;
    [[nodiscard]] Progress restore(Saved const& saved);

    struct TornDown {
        GpadlId id;
        ChannelId channel;
        std::weak_ptr<Gpadl> gpadl;
    };

    std::shared_ptr<Partition> const guest_;
    std::map<GpadlId, Unfinished> unfinished_;
    std::vector<TornDown> torn_down_; ///< and the guest has not been told
    mutable Mutex<LockRank::Leaf> lock_;
    std::map<GpadlId, Entry> entries_; // guarded by lock_
};

} // namespace hv::vmbus
