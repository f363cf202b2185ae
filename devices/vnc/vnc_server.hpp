/// Shows a screen to viewers of VNC (RFC 6143), and takes their keys and pointers.
#pragma once

#include "devices/base/unique_fd.hpp"
#include "devices/display/screen.hpp"

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <thread>

namespace devices::vnc {

/// What viewers do, on the server's thread.
class ViewerInput {
  public:
    ViewerInput() = default;
    ViewerInput(ViewerInput const&) = delete;
    ViewerInput& operator=(ViewerInput const&) = delete;
    virtual ~ViewerInput() = default;

    /// A key by X11's symbol.
    virtual void key(std::uint32_t symbol, bool down) = 0;
    /// Where the pointer is, in pixels of the mode, and the buttons of RFC 6143 §7.5.5: left, middle, right, wheel
    /// up, wheel down from bit 0 on.
    virtual void pointer(std::uint32_t x, std::uint32_t y, unsigned buttons, display::Mode const& mode) = 0;
    /// The last viewer has gone.
    virtual void nobody() = 0;
};

enum class Passwords { No, Yes };

/// Loads what servers need, for where it cannot be loaded later; some of them may have passwords. Throws
/// std::runtime_error.
void load_library(Passwords passwords);

/// Has a thread of its own, on which all of the library is used. It waits without limit while nothing happens, and
/// has the guest tell of what it draws only while there is a viewer.
class VncServer {
  public:
    static constexpr std::size_t most_clients = 8;
    static constexpr std::size_t longest_password = 8; ///< the protocol uses no more of it

    struct Config {
        UniqueFd listener;    ///< a stream socket that listens and does not block
        std::string password; ///< empty for none
        std::string title;    ///< that viewers show
    };

    /// Throws std::runtime_error where the library is not installed, std::system_error when the machine has no
    /// descriptor left. `input` outlives it.
    VncServer(Config config, std::shared_ptr<display::Screen> screen, ViewerInput& input);
    VncServer(VncServer const&) = delete;
    VncServer& operator=(VncServer const&) = delete;
    /// Lets go of all viewers.
    ~VncServer();

    /// Begins to serve. After all servers of the process were made: the library shares a lock that making one makes
    /// anew. Throws std::system_error when the machine has no thread left.
    void start();

    [[nodiscard]] unsigned viewers() const { return viewers_.load(std::memory_order_relaxed); }

  private:
    class Session;

    std::unique_ptr<Session> session_;
    UniqueFd event_;
    std::atomic<bool> ending_{false};
    std::atomic<unsigned> viewers_{0};
    std::thread thread_;
};

} // namespace devices::vnc
