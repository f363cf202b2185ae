/// Finds what a guest has drawn whose driver does not say it: firmware's, and a kernel's that goes on with the
/// firmware's screen.
#pragma once

#include "devices/display/screen.hpp"
#include "hv/vmbus/executor.hpp"

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

namespace devices::display {

/// While somebody looks at the screen, and the mode is the one that was set here, the picture is compared with what
/// it was a moment ago. At other times nothing runs, and there is no copy. Callable from any thread; compares as a
/// task of the executor.
class Scanner final : public Screen::Source, public std::enable_shared_from_this<Scanner> {
  public:
    static constexpr std::chrono::milliseconds interval{50};

    /// The owner attaches it to the screen.
    Scanner(std::shared_ptr<Screen> screen, std::shared_ptr<hv::vmbus::Executor> executor)
        : screen_{std::move(screen)}, executor_{std::move(executor)}
    {}

    /// As Screen::set_mode. Not from two threads at once.
    bool set_mode(Mode const& mode);
    /// Whether the screen's mode is the one that was set here last.
    [[nodiscard]] bool in_effect() const;
    [[nodiscard]] Screen const& screen() const { return *screen_; }

    void changes_wanted(bool wanted) override;

  private:
    void scan_later();
    void scan();
    void compare(Mode const& mode);
    [[nodiscard]] std::vector<Rectangle> changed_bands(Mode const& mode);
    [[nodiscard]] Rectangle update_row(Mode const& mode, std::uint32_t y);

    std::shared_ptr<Screen> const screen_;
    std::shared_ptr<hv::vmbus::Executor> const executor_;
    std::atomic<std::uint64_t> number_{0}; ///< of the mode; 0: none was set
    std::atomic<bool> scheduled_{false};
    std::vector<std::byte> seen_;     ///< the picture; a task's alone, like the next one
    std::optional<Mode> seen_mode_{}; ///< nothing: there is no picture
};

} // namespace devices::display
