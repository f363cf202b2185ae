/// The memory that a guest lends its network card for what it receives, in sections of one size. A section is the
/// guest's from when it was sent until the guest completes the packet that it came with.
#pragma once

#include "devices/base/guarded.hpp"
#include "hv/vmbus/gpadl.hpp"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <sys/uio.h>
#include <vector>

namespace devices::network {

using Section = std::uint32_t;

/// Callable from any thread.
class ReceiveBuffer {
  public:
    static constexpr std::size_t header_room = 128; ///< at the start of a section; the frame follows
    static constexpr std::size_t footer_room = 36;  ///< that some Windows drivers do not look at (OpenVMM's netvsp)
    static constexpr std::uint32_t usual_size = 16384;
    static constexpr std::size_t control_reserve = 8;      ///< sections that no frame gets
    static constexpr std::size_t most_sections = 1U << 15; ///< in the largest memory that a guest can lend

    /// Nothing when the memory has too few sections for frames of `max_frame` bytes.
    [[nodiscard]] static std::shared_ptr<ReceiveBuffer> make(std::shared_ptr<hv::vmbus::Gpadl const> memory,
                                                             std::uint16_t id, std::size_t max_frame);
    /// The same with a size of sections that a guest was told before. Nothing when that cannot have been.
    [[nodiscard]] static std::shared_ptr<ReceiveBuffer> make_again(std::shared_ptr<hv::vmbus::Gpadl const> memory,
                                                                   std::uint16_t id, std::uint32_t section_size);

    [[nodiscard]] std::uint16_t id() const { return id_; }
    [[nodiscard]] std::uint32_t section_size() const { return section_size_; }
    [[nodiscard]] std::uint32_t section_count() const { return section_count_; }
    [[nodiscard]] std::size_t frame_room() const { return section_size_ - header_room - footer_room; }
    [[nodiscard]] std::uint32_t offset(Section section) const { return section * section_size_; }

    /// Takes as many as `out` has, or fewer when the guest has the rest. Fewer: `complete` will tell when to go on.
    [[nodiscard]] std::size_t take(std::span<Section> out) { return sections_.lock()->take(out); }
    /// One for a control message. When there is none, `complete` will not tell when there is one again.
    [[nodiscard]] std::optional<Section> take_for_control() { return sections_.lock()->take_for_control(); }
    /// Sections that were taken and not sent.
    void give_back(std::span<Section const> sections) { sections_.lock()->give_back(sections); }

    /// The guest gets these with one packet, whose transaction is the number of the first. Not empty.
    void lend(std::span<Section const> sections) { sections_.lock()->lend(sections); }
    enum class Completed {
        Unknown, ///< no packet of that transaction is with the guest
        Done,
        RoomAgain, ///< and who could not take sections may go on
    };
    [[nodiscard]] Completed complete(std::uint64_t transaction) { return sections_.lock()->complete(transaction); }

    [[nodiscard]] std::size_t free_sections() const { return sections_.lock()->free(); }

    /// The sections that the guest has, packet after packet; the last one of each has `ends_packet` set.
    [[nodiscard]] std::vector<std::uint32_t> with_guest() const { return sections_.lock()->with_guest(); }
    static constexpr std::uint32_t ends_packet = 0x8000'0000;
    [[nodiscard]] bool room_awaited() const { return sections_.lock()->room_awaited(); }
    /// Of a buffer that was not used yet. `taken` are different sections that are there; what makes no sense of the
    /// others is the host's.
    void restore(std::span<Section const> taken, std::span<std::uint32_t const> with_guest, bool room_awaited)
    {
        sections_.lock()->restore(taken, with_guest, room_awaited);
    }

    /// Adds where the room for the frame in a section lies.
    void locate_frame(Section section, std::vector<iovec>& out) const;
    /// Bytes from the section's start on, within it.
    void write(Section section, std::size_t at, void const* from, std::size_t size) const
    {
        memory_->write(offset(section) + at, from, size);
    }
    void read(Section section, std::size_t at, void* to, std::size_t size) const
    {
        memory_->read(offset(section) + at, to, size);
    }

  private:
    static constexpr Section none = 0xFFFF'FFFF;

    /// Whose each section is: what the lock guards.
    class Sections {
      public:
        explicit Sections(std::size_t count);

        [[nodiscard]] std::size_t take(std::span<Section> out);
        [[nodiscard]] std::optional<Section> take_for_control();
        void give_back(std::span<Section const> sections);
        void lend(std::span<Section const> sections);
        [[nodiscard]] Completed complete(std::uint64_t transaction);
        [[nodiscard]] std::size_t free() const { return free_; }
        [[nodiscard]] std::vector<std::uint32_t> with_guest() const;
        [[nodiscard]] bool room_awaited() const { return awaited_; }
        void restore(std::span<Section const> taken, std::span<std::uint32_t const> with_guest, bool room_awaited);

      private:
        struct Entry {
            enum class State : std::uint8_t { Free, Taken, Lent, FirstLent };
            State state = State::Free;
            Section next = none; ///< of the free list, or of the same packet
        };

        [[nodiscard]] Section pop();
        void push(Section section);

        std::vector<Entry> entries_;
        Section first_free_ = none;
        std::size_t free_ = 0;
        bool awaited_ = false; ///< somebody got fewer than it asked for
    };

    ReceiveBuffer(std::shared_ptr<hv::vmbus::Gpadl const> memory, std::uint16_t id, std::uint32_t section_size,
                  std::size_t count);

    std::shared_ptr<hv::vmbus::Gpadl const> const memory_;
    std::uint16_t const id_;
    std::uint32_t const section_size_;
    std::uint32_t const section_count_;
    devices::Guarded<Sections, devices::LockRank::Leaf> sections_;
};

} // namespace devices::network
