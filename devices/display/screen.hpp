/// A guest's screen: the memory that it draws into, how that is read as a picture, and what has changed.
#pragma once

#include "devices/base/guarded.hpp"

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <vector>

namespace devices::display {

/// In pixels from the upper left corner; `right` and `bottom` are the first ones behind it.
struct Rectangle {
    std::uint32_t left = 0;
    std::uint32_t top = 0;
    std::uint32_t right = 0;
    std::uint32_t bottom = 0;

    [[nodiscard]] bool empty() const { return left >= right || top >= bottom; }
    friend bool operator==(Rectangle const&, Rectangle const&) = default;
};

/// How the memory is a picture.
struct Mode {
    std::uint32_t width = 1024; ///< pixels
    std::uint32_t height = 768;
    std::uint32_t pitch = 4096; ///< bytes from a row to the next
    std::uint32_t depth = 32;   ///< bits of a pixel: 32 (blue in the lowest byte) or 16 (5, 6 and 5 bits)
    std::uint32_t offset = 0;   ///< of the first row in the memory, bytes

    static constexpr std::uint32_t most_pixels = 8192; ///< in a row, or of rows

    [[nodiscard]] Rectangle all() const { return {0, 0, width, height}; }
    [[nodiscard]] bool fits(std::uint64_t memory_bytes) const;
    friend bool operator==(Mode const&, Mode const&) = default;
};

/// The shape of the mouse pointer.
struct Pointer {
    static constexpr std::uint32_t most_pixels = 96; ///< in a row, or of rows

    std::uint32_t width = 0;
    std::uint32_t height = 0;
    std::uint32_t hot_x = 0;
    std::uint32_t hot_y = 0;
    std::vector<std::uint32_t> pixels{}; ///< row by row: opacity in the highest byte, then red, green, blue

    friend bool operator==(Pointer const&, Pointer const&) = default;
};

/// Callable from any thread. Guests draw at any time; whoever copies a picture may get it half drawn.
class Screen {
  public:
    static constexpr std::size_t most_rectangles = 16;

    /// What tells of changes, while somebody wants to hear of them.
    class Source {
      public:
        Source() = default;
        Source(Source const&) = delete;
        Source& operator=(Source const&) = delete;
        virtual ~Source() = default;
        virtual void changes_wanted(bool wanted) = 0;
    };

    /// `memory` outlives it, and holds the first mode.
    explicit Screen(std::span<std::byte> memory) : memory_{memory} {}

    /// From now on this one is asked for changes too; it has to ask whether they are wanted.
    void attach(std::weak_ptr<Source> source);
    [[nodiscard]] bool changes_wanted() const { return static_cast<bool>(state_.lock()->changed); }

    /// The mode's number, which no other one has. 0, and nothing changes, where the picture would not lie in the
    /// memory.
    std::uint64_t set_mode(Mode const& mode);
    [[nodiscard]] Mode mode() const { return state_.lock()->mode; }
    /// 0 for the first mode, until one is set.
    [[nodiscard]] std::uint64_t mode_number() const { return state_.lock()->mode_number; }
    [[nodiscard]] std::span<std::byte const> memory() const { return memory_; }
    /// What lies outside the picture does not count.
    void drawn(Rectangle area);
    void set_pointer(Pointer pointer);
    /// As at the start: the first mode and no pointer. The memory has been cleared.
    void reset();

    struct Changes {
        std::optional<Mode> mode{};       ///< a new one
        std::vector<Rectangle> drawn{};   ///< of the new one, `most_rectangles` at most
        std::optional<Pointer> pointer{}; ///< a new one
    };
    /// Begins to tell, with everything that there is. `changed` is called when there is something to take again, on
    /// any thread, with a lock held that is last in every order; empty to end it.
    void watch(std::function<void()> changed);
    [[nodiscard]] Changes take();

    /// Part of a picture of that mode, as pixels of 32 bits, the highest byte 0; the first goes to `to`, which has
    /// rows of `row` pixels. `area` lies in the mode's picture.
    void copy(Mode const& mode, Rectangle const& area, std::uint32_t* to, std::size_t row) const;

  private:
    struct State {
        void tell();

        Mode mode{};
        std::uint64_t mode_number = 0;
        std::vector<Rectangle> drawn{};
        Pointer pointer{};
        bool mode_changed = false;
        bool pointer_changed = false;
        bool told = false;
        std::function<void()> changed{};
        std::vector<std::weak_ptr<Source>> sources{};
    };

    std::span<std::byte> const memory_;
    Guarded<State, LockRank::Leaf> state_;
};

} // namespace devices::display
