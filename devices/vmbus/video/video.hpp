/// The synthetic video device: a guest's driver says where its video memory is to be seen, how that is a picture,
/// and what it has drawn.
#pragma once

#include "devices/base/guarded.hpp"
#include "devices/display/screen.hpp"
#include "devices/vmbus/channel/channel_worker.hpp"
#include "devices/vmbus/video/pointer_parts.hpp"
#include "devices/vmbus/video/protocol.hpp"
#include "hv/base/state.hpp"
#include "hv/vmbus/channel.hpp"
#include "hv/vmbus/executor.hpp"

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <tuple>

namespace devices::vmbus {

class Video final : public hv::vmbus::ChannelDevice,
                    public display::Screen::Source,
                    public std::enable_shared_from_this<Video>,
                    Served {
  public:
    static constexpr TurnLimits turn_limits{.packets = 64};
    static constexpr std::uint16_t memory_megabytes = 8;

    /// Has the video memory appear at a guest-physical address. False, and it stays where it is, when it cannot.
    /// Called with the device's lock held, on a VP's thread or the runner's.
    using Place = std::function<bool(std::uint64_t address)>;

    /// `runner` outlives the device.
    Video(hv::vmbus::Runner& runner, std::shared_ptr<display::Screen> screen, Place place);

    [[nodiscard]] static hv::vmbus::OfferSpec offer();

    void open(std::shared_ptr<hv::vmbus::Channel> channel) override;
    void signalled() override { worker_.signal(); }
    void close() override;
    void quiesce(hv::StillBusy busy) override;
    void resume() override;
    void inspect(hv::Inspector& inspector) const override;
    void visit(hv::StateVisitor& visitor) override;

    void changes_wanted(bool wanted) override;

  private:
    [[nodiscard]] Left serve(Turn& turn) override;
    [[nodiscard]] std::weak_ptr<void> owner() override { return weak_from_this(); }

    struct State {
        std::uint32_t minor_version = 0; ///< agreed on
        bool accepted = false;
        bool shown = false; ///< the guest has said how its memory is a picture
        bool has_location = false;
        std::uint64_t location = 0;
        std::uint32_t width = 0; ///< of the mode that it has set, as long as it is `shown`; like the next four
        std::uint32_t height = 0;
        std::uint32_t pitch = 0;
        std::uint32_t depth = 0;
        std::uint32_t offset = 0;
        std::uint64_t drawn = 0;           ///< rectangles
        std::uint64_t ignored_packets = 0; ///< that mean nothing here
        std::uint64_t lost_answers = 0;    ///< for which the guest left no room

        static constexpr auto fields()
        {
            using hv::Shown;
            using hv::StateField;
            return std::tuple{StateField{"minor_version", &State::minor_version, Shown::Yes},
                              StateField{"accepted", &State::accepted},
                              StateField{"shown", &State::shown},
                              StateField{"has_location", &State::has_location},
                              StateField{"location", &State::location, Shown::Yes},
                              StateField{"width", &State::width, Shown::Yes},
                              StateField{"height", &State::height, Shown::Yes},
                              StateField{"pitch", &State::pitch},
                              StateField{"depth", &State::depth, Shown::Yes},
                              StateField{"offset", &State::offset},
                              StateField{"drawn", &State::drawn, Shown::Yes},
                              StateField{"ignored_packets", &State::ignored_packets, Shown::Yes},
                              StateField{"lost_answers", &State::lost_answers, Shown::Yes}};
        }
    };

    /// The device and its end of the channel.
    struct Line {
        Line(std::shared_ptr<display::Screen> on, Place how) : screen{std::move(on)}, place{std::move(how)} {}

        void take(hv::vmbus::Packet const& packet);
        [[nodiscard]] bool handle(video::Header const& header, hv::vmbus::Packet const& packet);
        void agree(video::VersionRequest const& request);
        [[nodiscard]] bool relocate(video::VramLocation const& message);
        [[nodiscard]] bool show(video::Situation const& message);
        [[nodiscard]] bool apply_mode() const;
        [[nodiscard]] bool draw(hv::vmbus::Packet const& packet);
        [[nodiscard]] bool shape_pointer(hv::vmbus::Packet const& packet);
        void tell_resolutions(video::ResolutionRequest const& request);
        void tell_wishes();
        template <typename Body>
        bool send(video::MessageType type, Body const& body, std::span<std::byte const> rest = {});

        std::shared_ptr<display::Screen> const screen;
        Place const place;
        std::shared_ptr<hv::vmbus::Channel> channel{};
        video::PointerParts pointer{};
        bool quiesced = false;
        bool wishes_changed = false; ///< and the guest has not been told
        State state{};
    };

    ChannelWorker worker_;
    Guarded<Line, LockRank::Channel> line_;
};

} // namespace devices::vmbus
