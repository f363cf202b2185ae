// How a channel of a controller goes elsewhere.
#include "devices/vmbus/storage/storage_channel.hpp"

#include <algorithm>
#include <utility>

namespace devices::storage {

void StorageChannel::lend_to_backend(Transaction& transaction)
{
    transaction.place = with_backend_.size();
    with_backend_.push_back(&transaction);
}

void StorageChannel::take_from_backend(Transaction const& transaction)
{
    auto* const last = with_backend_.back();
    last->place = transaction.place;
    with_backend_[last->place] = last;
    with_backend_.pop_back();
}

/// Those of a channel that was closed meanwhile have nobody to answer to.
StorageChannel::Saved StorageChannel::saved() const
{
    Saved out{.condition = condition_,
              .version = primary() ? state_->version.load(std::memory_order_relaxed) : Version::None,
              .unanswered = {repeated_.begin(), repeated_.end()},
              .answers = answers_};
    std::vector<Transaction const*> under_way;
    for (auto const* const transaction : with_backend_)
        if (channel_ && transaction->channel == channel_) under_way.push_back(transaction);
    std::ranges::sort(under_way, {}, &Transaction::number);
    if (parked_) under_way.push_back(parked_.get());
    out.unanswered.reserve(out.unanswered.size() + under_way.size());
    std::ranges::transform(under_way, std::back_inserter(out.unanswered), &Transaction::unanswered);
    std::ranges::rotate(out.unanswered, out.unanswered.begin() + static_cast<std::ptrdiff_t>(repeated_.size()));

    auto const version = state_->version.load(std::memory_order_relaxed);
    for (auto const* held = held_.get(); held; held = held->next.get()) {
        if (held->failed()) ++out.condition.errors;
        if (!channel_ || held->channel != channel_ || !held->wants_answer) continue;
        out.answers.keep(hv::abi::PacketType::Completion, held->id, held->answer_bytes(version));
    }
    out.condition.commands -= out.unanswered.size(); // they are counted when they are served
    return out;
}

void StorageChannel::visit(hv::StateVisitor& visitor)
{
    auto const lock = std::lock_guard{mutex_};
    auto all = saved();
    hv::visit(visitor, all);
    if (visitor.restores()) restore(std::move(all));
}

void StorageChannel::restore(Saved all)
{
    condition_ = all.condition;
    if (!channel_) {
        condition_.step = Step::Closed;
        return;
    }
    if (!primary()) {
        condition_.step = Step::Ready;
    } else {
        if (condition_.step <= Step::Closed || condition_.step > Step::Ready) condition_.step = Step::Begin;
        state_->version.store(known_version(static_cast<std::uint16_t>(all.version)), std::memory_order_relaxed);
    }
    repeated_.assign(std::make_move_iterator(all.unanswered.begin()), std::make_move_iterator(all.unanswered.end()));
    answers_ = std::move(all.answers);
}

std::shared_ptr<hv::vmbus::ChannelDevice> StorageChannel::sub_channel(std::uint16_t n)
{
    auto const lock = std::lock_guard{mutex_};
    if (!primary() || !condition_.sub_channels_made || n == 0 || n > state_->max_sub_channels) return nullptr;
    return make_sub_channel_();
}

} // namespace devices::storage
