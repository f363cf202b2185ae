/// A guest's screen, keyboard and mouse, as the host sees them.
#pragma once

#include "devices/base/guarded.hpp"
#include "devices/display/screen.hpp"
#include "devices/firmware/console_mailbox.hpp"
#include "devices/vmbus/keyboard/key_symbols.hpp"
#include "devices/vmbus/keyboard/keyboard.hpp"
#include "devices/vmbus/mouse/mouse.hpp"
#include "devices/vmbus/video/video.hpp"
#include "devices/vnc/vnc_server.hpp"
#include "hv/base/inspect.hpp"
#include "hv/vmbus/channel.hpp"
#include "hv/vmbus/executor.hpp"
#include "vmm/host/unix_listener.hpp"
#include "vmm/memory/video_memory.hpp"
#include "vmm/options/run_options.hpp"

#include <memory>
#include <optional>

namespace vmm {

/// The input devices of the machine that a guest has now.
struct InputDevices {
    std::shared_ptr<devices::vmbus::Keyboard> keyboard{};
    std::shared_ptr<devices::vmbus::Mouse> mouse{};
    std::shared_ptr<devices::firmware::ConsoleMailbox> firmware{}; ///< nullptr where there is none
};

/// Outlives the guest's machines, so that viewers stay through a reset.
class Display final : devices::vnc::ViewerInput {
  public:
    /// Listens for viewers. Throws UserError.
    explicit Display(GuestOptions const& options);
    ~Display() override;

    /// Serves viewers from now on. When all guests' displays were made. Once is enough. Throws std::system_error.
    void start();
    /// Black, as at the start: the guest has no machine.
    void reset();

    [[nodiscard]] std::shared_ptr<VideoMemory> const& memory() const { return memory_; }
    [[nodiscard]] std::shared_ptr<devices::display::Screen> const& screen() const { return screen_; }

    /// What viewers type and point at goes to these. From any thread.
    void connect(InputDevices devices);
    /// What a report says for a pixel of so many: 0 to Report::most, for the last one.
    [[nodiscard]] static std::uint16_t part_of(std::uint32_t pixel, std::uint32_t size);
    /// Where keys and pointers go of which no driver on the VMBus wants to hear; until the next connect().
    void connect_firmware(std::shared_ptr<devices::firmware::ConsoleMailbox> console);
    /// False when no driver in the guest takes it. From any thread, like the next one.
    bool strike(devices::vmbus::ScanCode code, devices::vmbus::Keyboard::Stroke stroke);
    bool point(devices::vmbus::mouse::Report const& report);

    void inspect(hv::Inspector& inspector) const;

  private:
    void key(std::uint32_t symbol, bool down) override;
    void pointer(std::uint32_t x, std::uint32_t y, unsigned buttons, devices::display::Mode const& mode) override;
    void nobody() override;

    std::shared_ptr<VideoMemory> const memory_;
    std::shared_ptr<devices::display::Screen> const screen_;
    devices::Guarded<InputDevices, devices::LockRank::Leaf> devices_;
    devices::vmbus::SymbolKeyboard keyboard_; ///< of all viewers; on their server's thread
    unsigned buttons_ = 0;                    ///< likewise
    std::optional<UnixListener> listener_;
    std::optional<devices::vnc::VncServer> server_;
};

/// What is on a machine's VMBus for its display.
class DisplayDevices {
  public:
    /// All outlive it.
    DisplayDevices(Display& display, hv::vmbus::Bus& bus, hv::vmbus::Executor& executor,
                   std::shared_ptr<devices::vmbus::Keyboard> keyboard, devices::vmbus::Video::Place place);
    ~DisplayDevices();
    DisplayDevices(DisplayDevices const&) = delete;
    DisplayDevices& operator=(DisplayDevices const&) = delete;

  private:
    Display& display_;
    std::shared_ptr<devices::vmbus::Video> const video_;
    std::shared_ptr<devices::vmbus::Mouse> const mouse_;
};

} // namespace vmm
