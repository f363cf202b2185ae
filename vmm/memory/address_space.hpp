/// The one map of a machine's guest-physical addresses: what lies where, and whose it is.
#pragma once

#include "hv/base/guest_memory.hpp"
#include "vmm/base/memory_layout.hpp"

#include <cstddef>
#include <cstdint>
#include <mutex>
#include <optional>
#include <span>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace vmm {

enum class MemoryType {
    Ram,   ///< read, written and executed without an exit
    Rom,   ///< read and executed without an exit
    Video, ///< as RAM, but hypercalls and devices do not reach it
    Mmio,  ///< each access is an exit, which a device answers
    Hole,  ///< nothing, or what the hypervisor below keeps for itself: no device may come here
};

/// What a claim brings.
struct MemoryContents {
    MemoryType type;
    std::byte* host = nullptr; ///< of all memory: page aligned; stays mapped for the life of the address space
};

/// A range all of which is of one kind. What the map consists of: a claim, or what overlays leave of it.
struct MemorySection {
    MemoryRange range;
    MemoryContents contents;
    std::uint64_t claim; ///< a number that no other claim of this address space has had

    friend bool operator==(MemorySection const& a, MemorySection const& b)
    {
        return a.claim == b.claim && a.range == b.range; // what a claim brings does not change
    }
};

/// Two owners want the same addresses. The message is one line and names both.
class AddressConflict : public std::runtime_error {
  public:
    using std::runtime_error::runtime_error;
};

/// There are two layers. Claims of the lower one share out the addresses; overlays lie above them, and what they
/// cover comes back when they end. Within a layer no two overlap. All ranges consist of whole pages.
///
/// Claims come and go on any thread, also while VPs run. Memory that a claim brought stays mapped on the host after
/// it: somebody may have looked its address up before (hv::GuestMemory).
class AddressSpace {
  public:
    /// Follows the map: memory slots, a log of dirty pages, the map of another partition.
    class Listener {
      public:
        Listener() = default;
        Listener(Listener const&) = delete;
        Listener& operator=(Listener const&) = delete;
        virtual ~Listener() = default;

        /// The sections of before that are no more, and those that are new, both ascending; each of the others stays
        /// as it was. Under the address space's lock: may not call it. When this throws, it has changed nothing, and
        /// neither does the address space.
        virtual void map_changed(std::span<MemorySection const> removed, std::span<MemorySection const> added) = 0;
    };

    /// Ends with this object, which the address space must outlive.
    class Claim {
      public:
        Claim() = default;
        Claim(Claim&& other) noexcept : space_{std::exchange(other.space_, nullptr)}, number_{other.number_} {}
        Claim& operator=(Claim&& other) noexcept
        {
            std::swap(space_, other.space_);
            std::swap(number_, other.number_);
            return *this;
        }
        ~Claim();

      private:
        friend class AddressSpace;
        Claim(AddressSpace& space, std::uint64_t number) : space_{&space}, number_{number} {}

        AddressSpace* space_ = nullptr;
        std::uint64_t number_ = 0;
    };

    AddressSpace() = default;
    AddressSpace(AddressSpace const&) = delete;
    AddressSpace& operator=(AddressSpace const&) = delete;

    /// `owner` is a name for messages. Throws AddressConflict, std::invalid_argument for a range that does not
    /// consist of whole pages below MemoryRange::max_end, and what a listener throws.
    [[nodiscard]] Claim claim(MemoryRange const& range, MemoryContents contents, std::string owner);
    /// The same in the upper layer.
    [[nodiscard]] Claim overlay(MemoryRange const& range, MemoryContents contents, std::string owner);

    /// Has an overlay consist of these ranges and no others from now on, in one step; an empty `claim` becomes one.
    /// Throws as `overlay` does, and has changed nothing then.
    void change_overlay(Claim& claim, std::span<MemoryRange const> ranges, MemoryContents contents,
                        std::string const& owner);

    /// Tells it at once of all that is there. It must stop to listen before its life ends.
    void listen(Listener& listener);
    void stop_listening(Listener& listener);

    /// What lies at an address; nothing where nobody has claimed it.
    [[nodiscard]] std::optional<MemorySection> find(hv::Gpa gpa) const;
    [[nodiscard]] std::vector<MemorySection> sections() const;
    [[nodiscard]] std::string owner(MemorySection const& section) const;

    /// The model's view: all RAM, and always that of now.
    [[nodiscard]] hv::GuestMemory const& memory() const { return memory_; }

  private:
    struct Claimed {
        MemorySection section;
        std::string owner;
    };
    using Layer = std::vector<Claimed>; // ascending

    static void insert(Layer& layer, Claimed claimed);
    [[nodiscard]] Claim add(Layer& layer, MemoryRange const& range, MemoryContents contents, std::string owner);
    void release(std::uint64_t number) noexcept;
    void put_into_effect();
    void tell(std::span<MemorySection const> before, std::span<MemorySection const> after);
    [[nodiscard]] std::vector<MemorySection> flattened() const;

    mutable std::mutex lock_; // all but memory_'s readers
    Layer claims_;
    Layer overlays_;
    std::vector<MemorySection> map_; ///< ascending
    std::vector<Listener*> listeners_;
    std::uint64_t last_claim_ = 0;
    hv::GuestMemory memory_;
};

} // namespace vmm
