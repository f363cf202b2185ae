#include "devices/vmbus/balloon/balloon.hpp"

#include "devices/vmbus/channel/serve_packets.hpp"

#include <algorithm>
#include <utility>

namespace devices::vmbus {

std::uint64_t Balloon::Layout::pages_at_start() const
{
    std::uint64_t pages = 0;
    for (auto const& range : at_start)
        pages += range.count;
    return pages;
}

unsigned Balloon::Status::pressure_percent() const
{
    constexpr std::uint64_t most = 1000;
    if (!has_reported || has == 0) return 0;
    return static_cast<unsigned>(committed >= has * most / 100 ? most : committed * 100 / has);
}

Balloon::Balloon(hv::vmbus::Runner& runner, PageTaker& taker, Layout layout)
    : worker_{*this, runner, turn_limits}, line_{std::move(layout), taker}
{}

hv::vmbus::OfferSpec Balloon::offer()
{
    hv::vmbus::OfferSpec spec;
    spec.interface = hv::vmbus::guid("525074dc-8985-46e2-8057-a307dc18a502");
    spec.instance = hv::vmbus::guid("1eccfd72-4b41-45ef-b73a-4a6e44c12924");
    return spec;
}

Balloon::Aim Balloon::aim(std::uint64_t pages, std::uint64_t backed)
{
    auto const line = line_.lock();
    auto& state = line->state;
    if (state.step != Step::Ready) return Aim::NoDriver;
    if (line->backing_for(pages) > state.added && !line->can_add()) return Aim::NoHotAdd;
    state.wanted = std::min(pages, line->most());
    state.backed = std::max(state.backed, backed);
    state.patience = 0;
    if (line->ask()) line->channel->publish();
    return Aim::Taken;
}

std::uint64_t Balloon::backing_for(std::uint64_t pages) const
{
    return line_.lock()->backing_for(pages);
}

Balloon::Status Balloon::status() const
{
    auto const line = line_.lock();
    auto const& state = line->state;
    return {state.step == Step::Ready, line->pages(),   state.wanted,
            state.has_reported,        state.available, state.committed};
}

void Balloon::open(std::shared_ptr<hv::vmbus::Channel> channel)
{
    line_.lock()->begin(std::move(channel));
    worker_.post();
}

void Balloon::close()
{
    ChannelWorker::Hold const hold{worker_};
    line_.lock()->end();
}

void Balloon::quiesce(hv::StillBusy busy)
{
    worker_.quiesce(std::move(busy));
    line_.lock()->quiesced = true;
}

void Balloon::resume()
{
    line_.lock()->quiesced = false;
    worker_.resume();
    worker_.post(); // what was wanted meanwhile
}

/// Taking pages is work for more than a moment.
void Balloon::signalled()
{
    worker_.post();
}

Served::Left Balloon::serve(Turn& turn)
{
    auto const line = line_.lock();
    if (!line->channel) return Left::Nothing;
    auto const left =
        serve_packets(turn, *line->channel, [&](hv::vmbus::Packet const& packet) { line->take(packet); });
    if (line->ask()) line->channel->publish();
    return left;
}

void Balloon::visit(hv::StateVisitor& visitor)
{
    auto const line = line_.lock();
    hv::visit(visitor, line->state);
    if (visitor.restores()) line->make_sense_of_restored();
}

void Balloon::inspect(hv::Inspector& inspector) const
{
    auto const line = line_.lock();
    auto const step = line->state.step;
    inspector.text("state", step == Step::Closed ? "closed" : step == Step::Ready ? "ready" : "no version agreed on");
    inspector.number("pages", line->pages());
    inspector.number("given_pages", line->state.given.size());
    show(inspector, line->state);
}

} // namespace devices::vmbus
