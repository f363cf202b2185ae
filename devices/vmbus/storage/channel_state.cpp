// How a channel of a controller goes elsewhere.
#include "devices/vmbus/storage/storage_channel.hpp"

#include <algorithm>
#include <utility>

namespace devices::storage {

void StorageChannel::Work::lend_to_backend(Transaction& transaction)
{
    transaction.place = with_backend.size();
    with_backend.push_back(&transaction);
}

void StorageChannel::Work::take_from_backend(Transaction const& transaction)
{
    auto* const last = with_backend.back();
    last->place = transaction.place;
    with_backend[last->place] = last;
    with_backend.pop_back();
}

/// Those of a channel that was closed meanwhile have nobody to answer to.
StorageChannel::Saved StorageChannel::saved(Work const& work) const
{
    Saved out{.condition = work.condition,
              .version = primary() ? state_->version.load(std::memory_order_relaxed) : Version::None,
              .unanswered = {work.repeated.begin(), work.repeated.end()},
              .answers = work.answers};
    std::vector<Transaction const*> under_way;
    for (auto const* const transaction : work.with_backend)
        if (work.channel && transaction->channel == work.channel) under_way.push_back(transaction);
    std::ranges::sort(under_way, {}, &Transaction::number);
    if (work.parked) under_way.push_back(work.parked.get());
    out.unanswered.reserve(out.unanswered.size() + under_way.size());
    std::ranges::transform(under_way, std::back_inserter(out.unanswered), &Transaction::unanswered);
    std::ranges::rotate(out.unanswered, out.unanswered.begin() + static_cast<std::ptrdiff_t>(work.repeated.size()));

    auto const version = state_->version.load(std::memory_order_relaxed);
    for (auto const* held = work.held.get(); held; held = held->next.get()) {
        if (held->failed()) ++out.condition.errors;
        if (!work.channel || held->channel != work.channel || !held->wants_answer) continue;
        out.answers.keep(hv::abi::PacketType::Completion, held->id, held->answer_bytes(version));
    }
    out.condition.commands -= out.unanswered.size(); // they are counted when they are served
    return out;
}

void StorageChannel::visit(hv::StateVisitor& visitor)
{
    auto const work = work_.lock();
    auto all = saved(*work);
    hv::visit(visitor, all);
    if (visitor.restores()) restore(*work, std::move(all));
}

void StorageChannel::restore(Work& work, Saved all)
{
    work.condition = all.condition;
    if (!work.channel) {
        work.condition.step = Step::Closed;
        return;
    }
    if (!primary()) {
        work.condition.step = Step::Ready;
    } else {
        if (work.condition.step <= Step::Closed || work.condition.step > Step::Ready)
            work.condition.step = Step::Begin;
        state_->version.store(known_version(static_cast<std::uint16_t>(all.version)), std::memory_order_relaxed);
    }
    work.repeated.assign(std::make_move_iterator(all.unanswered.begin()),
                         std::make_move_iterator(all.unanswered.end()));
    work.answers = std::move(all.answers);
}

std::shared_ptr<hv::vmbus::ChannelDevice> StorageChannel::sub_channel(std::uint16_t n)
{
    auto const work = work_.lock();
    if (!primary() || !work->condition.sub_channels_made || n == 0 || n > state_->max_sub_channels) return nullptr;
    return make_sub_channel_();
}

} // namespace devices::storage
