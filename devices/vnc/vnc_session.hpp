/// The library's server and what it shows. Used by one thread, but for its making and its end.
#pragma once

#include "devices/display/screen.hpp"
#include "devices/vnc/vnc_library.hpp"
#include "devices/vnc/vnc_server.hpp"

#include <chrono>
#include <functional>
#include <memory>
#include <poll.h>
#include <string>
#include <vector>

namespace devices::vnc {

class VncServer::Session {
  public:
    Session(Config config, std::shared_ptr<display::Screen> screen, ViewerInput& input);
    Session(Session const&) = delete;
    Session& operator=(Session const&) = delete;
    ~Session();

    /// Serves what there is. `waiting` is what poll(2) said of the descriptors of the last `wanted`; `changed` is
    /// called on any thread when there is something to show.
    void serve(std::span<pollfd const> waiting, std::function<void()> const& changed);
    /// The descriptors that something may come from.
    void add_wanted(std::vector<pollfd>& wanted) const;
    /// How long to wait for them, in milliseconds; -1 without limit.
    [[nodiscard]] int patience() const;
    [[nodiscard]] unsigned viewers() const;

  private:
    void accept_one();
    void drop_strangers();
    void watch(std::function<void()> const& changed);
    void show_changes();
    void show(display::Mode const& mode);
    void show(display::Pointer const& pointer);

    static void on_key(rfbBool down, rfbKeySym symbol, rfbClientPtr client);
    static void on_pointer(int buttons, int x, int y, rfbClientPtr client);

    VncLibrary const& library_;
    Config config_;
    std::shared_ptr<display::Screen> const screen_;
    ViewerInput& input_;
    char* passwords_[2]{};
    display::Mode mode_{};
    /// What viewers are shown: a copy, because a guest may draw while the library reads a pixel twice.
    std::vector<std::uint32_t> picture_;
    rfbScreenInfoPtr server_;
    bool watching_ = false;
};

} // namespace devices::vnc
