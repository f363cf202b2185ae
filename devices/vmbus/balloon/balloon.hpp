/// Dynamic memory: the guest gives pages away and takes them back, takes memory that it did not have at its start,
/// and says how much it needs.
#pragma once

#include "devices/base/guarded.hpp"
#include "devices/vmbus/balloon/page_set.hpp"
#include "devices/vmbus/balloon/protocol.hpp"
#include "devices/vmbus/channel/channel_worker.hpp"
#include "hv/base/state.hpp"
#include "hv/vmbus/channel.hpp"
#include "hv/vmbus/executor.hpp"

#include <cstdint>
#include <memory>
#include <string_view>
#include <tuple>
#include <vector>

namespace devices::vmbus {

/// What becomes of pages that the guest gives away.
class PageTaker {
  public:
    PageTaker() = default;
    PageTaker(PageTaker const&) = delete;
    PageTaker& operator=(PageTaker const&) = delete;
    virtual ~PageTaker() = default;

    /// Gives their memory back to the host: the guest would find zeros there. Removes those ranges from the list that
    /// it does not take: what is not the guest's own RAM, or has something lying over it. On the bus's runner, with
    /// the balloon's lock held.
    virtual void take(std::vector<PageRange>& ranges) = 0;
};

class Balloon final : public hv::vmbus::ChannelDevice, public std::enable_shared_from_this<Balloon>, Served {
  public:
    static constexpr TurnLimits turn_limits{.packets = 16};
    static constexpr std::uint64_t hot_add_block = 32'768; ///< pages, 128 MiB: what Linux adds at a time, and where

    /// A guest's memory, in pages.
    struct Layout {
        std::vector<PageRange> at_start; ///< ascending
        std::uint64_t most = 0;          ///< that it may have at any time
        PageRange hot_add{};             ///< where more may come to lie: whole blocks, behind all the others

        [[nodiscard]] std::uint64_t pages_at_start() const;
    };

    struct Status {
        bool listens = false;        ///< a driver in the guest has agreed on a version and its capabilities
        std::uint64_t has = 0;       ///< pages that are the guest's now
        std::uint64_t wanted = 0;    ///< that it is to have
        bool has_reported = false;   ///< the rest is known
        std::uint64_t available = 0; ///< by the guest's last report
        std::uint64_t committed = 0; ///< likewise; includes what it has given away

        /// How much of what it has the guest's programs and the guest itself want; above 100 it is short of memory.
        [[nodiscard]] unsigned pressure_percent() const;
    };

    enum class Aim {
        Taken,    ///< the guest is asked, and moves when it can
        NoDriver, ///< nobody in the guest listens
        NoHotAdd, ///< the guest cannot have more than at its start
    };

    /// `runner` and `taker` outlive it.
    Balloon(hv::vmbus::Runner& runner, PageTaker& taker, Layout layout);

    [[nodiscard]] static hv::vmbus::OfferSpec offer();

    /// Has the guest have so many pages from now on, Layout::most at most, also after its driver has come anew.
    /// Memory of the hot-add range up to `backed` pages is there. From any thread.
    [[nodiscard]] Aim aim(std::uint64_t pages, std::uint64_t backed);
    /// How much of the hot-add range, in pages from its start, has to be there before the guest can have so many.
    [[nodiscard]] std::uint64_t backing_for(std::uint64_t pages) const;
    [[nodiscard]] Status status() const;

    void open(std::shared_ptr<hv::vmbus::Channel> channel) override;
    void signalled() override;
    void close() override;
    void quiesce(hv::StillBusy busy) override;
    void resume() override;
    void inspect(hv::Inspector& inspector) const override;
    void visit(hv::StateVisitor& visitor) override;

  private:
    enum class Step : std::uint32_t { Closed, Negotiating, VersionAgreed, Ready };
    enum class Request : std::uint32_t { None, Balloon, Unballoon, HotAdd };

    struct State {
        Step step = Step::Closed;
        std::uint32_t version = 0;
        std::uint64_t capabilities = 0;
        std::uint64_t wanted = 0; ///< pages
        PageSet given{};          ///< away by the guest
        std::uint64_t added = 0;  ///< pages of the hot-add range that the guest has taken, from its start
        std::uint64_t backed = 0; ///< that it could have taken
        bool takes_no_more = false;
        Request request = Request::None; ///< that the guest is to answer
        std::uint64_t left = 0;          ///< pages of it
        std::uint32_t transaction = 0;   ///< of the last one
        std::uint64_t patience = 0;      ///< reports to come before the guest is asked again for what it has refused
        bool has_reported = false;
        std::uint64_t available = 0;
        std::uint64_t committed = 0;
        std::uint64_t refused_ranges = 0;  ///< that were not the guest's to give
        std::uint64_t ignored_packets = 0; ///< that mean nothing here

        static constexpr auto fields()
        {
            return std::tuple{hv::StateField{"step", &State::step},
                              hv::StateField{"version", &State::version, hv::Shown::Yes},
                              hv::StateField{"capabilities", &State::capabilities, hv::Shown::Yes},
                              hv::StateField{"wanted_pages", &State::wanted, hv::Shown::Yes},
                              hv::StateField{"given", &State::given},
                              hv::StateField{"added_pages", &State::added, hv::Shown::Yes},
                              hv::StateField{"backed_pages", &State::backed},
                              hv::StateField{"takes_no_more", &State::takes_no_more, hv::Shown::Yes},
                              hv::StateField{"request", &State::request},
                              hv::StateField{"pages_asked", &State::left, hv::Shown::Yes},
                              hv::StateField{"transaction", &State::transaction},
                              hv::StateField{"patience", &State::patience},
                              hv::StateField{"has_reported", &State::has_reported},
                              hv::StateField{"available_pages", &State::available, hv::Shown::Yes},
                              hv::StateField{"committed_pages", &State::committed, hv::Shown::Yes},
                              hv::StateField{"refused_ranges", &State::refused_ranges, hv::Shown::Yes},
                              hv::StateField{"ignored_packets", &State::ignored_packets, hv::Shown::Yes}};
        }
    };

    /// The balloon's end of the channel.
    class Line {
      public:
        Line(Layout layout, PageTaker& taker) : layout_{std::move(layout)}, taker_{taker}
        {
            state.wanted = layout_.pages_at_start();
        }

        void begin(std::shared_ptr<hv::vmbus::Channel> opened);
        void end();
        void take(hv::vmbus::Packet const& packet);
        /// Asks for the next step towards what is wanted. Whether it has written anything.
        [[nodiscard]] bool ask();
        void make_sense_of_restored();

        [[nodiscard]] std::uint64_t pages() const; ///< that the guest has
        [[nodiscard]] std::uint64_t most() const { return layout_.most; }
        [[nodiscard]] std::uint64_t backing_for(std::uint64_t pages) const;
        [[nodiscard]] bool can_add() const;

        std::shared_ptr<hv::vmbus::Channel> channel{};
        bool quiesced = false;
        State state{};

      private:
        using Packet = hv::vmbus::Packet;
        using MessageType = dynamic_memory::MessageType;

        [[nodiscard]] bool understood(MessageType type, Packet const& packet);
        [[nodiscard]] bool version_requested(Packet const& packet);
        [[nodiscard]] bool capabilities_reported(Packet const& packet);
        [[nodiscard]] bool status_reported(Packet const& packet);
        [[nodiscard]] bool pages_given(Packet const& packet);
        [[nodiscard]] bool pages_taken_back(Packet const& packet);
        [[nodiscard]] bool memory_added(Packet const& packet);

        [[nodiscard]] bool is_the_guests(PageRange range) const;
        [[nodiscard]] std::vector<PageRange> present() const;
        void take_pages(std::vector<PageRange> ranges);
        [[nodiscard]] bool asked(Request request, std::uint64_t pages, bool written);
        [[nodiscard]] bool ask_for_pages(std::uint64_t too_many);
        [[nodiscard]] bool give_back(std::uint64_t missing);
        [[nodiscard]] bool add_memory();
        [[nodiscard]] dynamic_memory::Header next_header(MessageType type, std::size_t size) const;

        Layout layout_;
        PageTaker& taker_;
    };

    [[nodiscard]] Left serve(Turn& turn) override;
    [[nodiscard]] std::weak_ptr<void> owner() override { return weak_from_this(); }

    ChannelWorker worker_;
    Guarded<Line, LockRank::Channel> line_;
};

} // namespace devices::vmbus
