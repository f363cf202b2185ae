#include "devices/vmbus/storage/storage_channel.hpp"

#include "devices/base/guarded_thread.hpp"
#include "hv/base/inspect.hpp"

#include <algorithm>
#include <array>
#include <cstring>
#include <utility>

namespace devices::storage {

namespace {

/// How many packets are answered before the guest is shown the first answers.
constexpr unsigned batch = 16;

/// Transactions that a channel keeps for its next commands.
constexpr std::size_t most_free = 16;

/// Room to work in that is kept for the next command.
constexpr std::size_t usual_spans = 2048;

} // namespace

StorageChannel::StorageChannel(std::shared_ptr<ControllerState> state, SubChannelMaker make_sub_channel)
    : state_{std::move(state)},
      make_sub_channel_{std::move(make_sub_channel)},
      worker_{*this, state_->bus.runner(), turn_limits},
      memory_{*state_->host.io_memory, [this] { worker_.post(); }}
{}

StorageChannel::Work::Work()
{
    free.reserve(most_free);
    with_backend.reserve(max_under_way);
}

StorageChannel::~StorageChannel() = default;

void StorageChannel::open(std::shared_ptr<hv::vmbus::Channel> channel)
{
    {
        auto const work = work_.lock();
        if (work->stopped) return;
        work->channel = std::move(channel);
        work->condition.step = primary() ? Step::Begin : Step::Ready;
        work->condition.sub_channels_made = false;
        work->condition.tell_of_units = false;
        work->stalled = false;
        if (primary()) state_->version.store(Version::None, std::memory_order_relaxed);
    }
    signalled();
}

void StorageChannel::close()
{
    vmbus::ChannelWorker::Hold const hold{worker_};
    auto const work = work_.lock();
    work->condition.step = Step::Closed;
    if (primary()) state_->version.store(Version::None, std::memory_order_relaxed);
    forget_channel(*work);
}

std::size_t StorageChannel::stop(std::chrono::steady_clock::time_point deadline)
{
    worker_.hold(); // for good
    auto work = work_.lock();
    work->stopped = true;
    work->stalled = false;
    forget_channel(*work);
    (void)work.wait_until(idle_, deadline, [&] { return work->with_backend.empty(); });
    return work->with_backend.size();
}

void StorageChannel::forget_channel(Work& work)
{
    work.channel.reset();
    work.answers.clear();
    work.repeated.clear();
    while (auto transaction = work.take_held())
        retire(work, std::move(transaction));
    if (work.parked) retire(work, std::move(work.parked));
    while (!work.free.empty()) {
        retire(work, std::move(work.free.back()));
        work.free.pop_back();
    }
    memory_.leave();
}

void StorageChannel::quiesce(hv::StillBusy busy)
{
    {
        auto const work = work_.lock();
        quiesced_ = true;
    }
    worker_.quiesce(std::move(busy));
}

void StorageChannel::resume()
{
    auto const settle_held = [this] {
        auto const work = work_.lock();
        quiesced_ = false;
        while (auto transaction = work->take_held())
            settle(*work, std::move(transaction));
        if (work->channel) work->channel->publish();
    };
    if (!quiesced_) return;
    contain(settle_held, [this](char const* what) { give_up(what); });
    worker_.post(); // those that were answered have made room for others
    worker_.resume();
}

void StorageChannel::Work::hold(OwnedTransaction&& transaction)
{
    *held_end = std::move(transaction);
    held_end = &(*held_end)->next;
}

StorageChannel::OwnedTransaction StorageChannel::Work::take_held()
{
    auto first = std::move(held);
    if (first) held = std::move(first->next);
    if (!held) held_end = &held;
    return first;
}

void StorageChannel::units_changed()
{
    {
        auto const work = work_.lock();
        if (work->condition.step != Step::Ready) return; // the guest will look anyway
        work->condition.tell_of_units = true;
    }
    signalled();
}

void StorageChannel::signalled()
{
    worker_.signal();
}

vmbus::Served::Left StorageChannel::serve(vmbus::Turn& turn)
{
    auto left = Left::Nothing;
    contain([&] { left = serve_ring(turn); }, [this](char const* what) { give_up(what); });
    return left;
}

/// Something was thrown, for want of memory. The guest gets no answers on this channel until it opens it anew.
void StorageChannel::give_up(char const* why)
{
    {
        auto const work = work_.lock();
        ++work->condition.broken_rings;
        forget_channel(*work);
        if (work->stopped) idle_.notify_all();
    }
    if (state_->host.notice) state_->host.notice(std::string{"a channel of a guest's disks was given up: "} + why);
}

vmbus::Served::Left StorageChannel::serve_ring(vmbus::Turn& turn)
{
    auto work = work_.lock();
    if (!work->channel) return Left::Nothing;
    // When answers wait still, the guest signals once it has made room.
    auto const left = write_waiting_answers(*work) ? take_packets(work, turn) : Left::Nothing;
    if (work->channel) work->channel->publish();
    return left;
}

vmbus::Served::Left StorageChannel::take_packets(Held& work, vmbus::Turn& turn)
{
    auto& now = *work;
    hv::vmbus::Packet packet;
    unsigned taken = 0;
    while (now.channel) {
        if (turn.over()) return Left::Some;
        if (now.parked) {
            if (!start(work, std::move(now.parked), turn) || !now.answers.empty()) return Left::Nothing;
            if (!now.channel) break; // `start` let go of the lock
        }
        if (now.free.empty() && !make_transaction(now)) {
            now.stalled = true; // `finished` signals, and so does the account
            return Left::Nothing;
        }
        if (!now.repeated.empty()) {
            auto const again = std::move(now.repeated.front());
            now.repeated.pop_front();
            turn.count_packet();
            handle(work, now.take_free(), again.packet(), turn);
            if (!now.answers.empty() || now.parked) return Left::Nothing;
            continue;
        }
        switch (now.channel->incoming().next(packet)) {
        case hv::vmbus::IncomingRing::Next::Taken: break;
        case hv::vmbus::IncomingRing::Next::Empty:
            if (state_->host.io_memory->crowded()) retire(now, now.take_free());
            return Left::Nothing;
        case hv::vmbus::IncomingRing::Next::Broken:
            ++now.condition.broken_rings;
            forget_channel(now);
            return Left::Nothing;
        }
        turn.count_packet();
        handle(work, now.take_free(), packet, turn);
        if (!now.answers.empty() || now.parked) return Left::Nothing;
        if (++taken % batch == 0 && now.channel) now.channel->publish();
    }
    return Left::Nothing;
}

void StorageChannel::handle(Held& work, OwnedTransaction&& transaction, hv::vmbus::Packet const& packet,
                            vmbus::Turn& turn)
{
    auto& now = *work;
    auto const version = state_->version.load(std::memory_order_relaxed);
    if (!transaction->take(packet, version)) {
        transaction->answer(PacketStatus::InvalidParameter);
    } else if (transaction->operation_asked() != Operation::ExecuteSrb) {
        set_up(now, *transaction);
    } else if (now.condition.step != Step::Ready || version == Version::None) {
        transaction->answer(PacketStatus::InvalidDeviceState);
    } else {
        ++now.condition.commands;
        transaction->channel = now.channel;
        bool const waits = transaction->prepare(packet, now.channel->memory(), state_->units, now.spans);
        if (now.spans.capacity() > usual_spans) std::vector<hv::vmbus::GuestSpan>{}.swap(now.spans);
        if (waits) {
            transaction->remember(packet);
            transaction->number = now.condition.commands;
            (void)start(work, std::move(transaction), turn);
            return;
        }
    }
    settle(now, std::move(transaction));
}

/// One is run in any case, so that its end lets others run.
bool StorageChannel::start(Held& work, OwnedTransaction&& transaction, vmbus::Turn& turn)
{
    if (auto const extra = transaction->extra_memory(); extra != 0) {
        if (work->with_backend.empty()) {
            memory_.take_always(extra);
        } else if (!memory_.take(extra)) {
            work->parked = std::move(transaction);
            work->stalled = true;
            return false;
        }
        transaction->charged = extra;
    }
    run(work, std::move(transaction), turn);
    return true;
}

void StorageChannel::run(Held& work, OwnedTransaction&& transaction, vmbus::Turn& turn)
{
    work->lend_to_backend(*transaction);
    auto* const running = transaction.release(); // from here on it may be the backend's
    running->keeps_owner = shared_from_this();
    if (running->operation == block::Operation::Read || running->operation == block::Operation::Write)
        turn.count_bytes(running->length);
    bool const ready = work.unlocked([&] { return running->run(); });
    if (!ready) {
        ++work->condition.waited;
        return;
    }
    transaction.reset(running);
    transaction->keeps_owner.reset();
    work->take_from_backend(*transaction);
    if (work->stopped) idle_.notify_all();
    settle(*work, std::move(transaction));
}

void StorageChannel::finished(Transaction& transaction) noexcept
{
    OwnedTransaction owned{&transaction};
    auto const self = std::move(owned->keeps_owner);
    bool again = false;
    auto const finish = [&] {
        auto const work = work_.lock();
        work->take_from_backend(*owned);
        if (work->stopped) idle_.notify_all();
        if (quiesced_ && !work->stopped) {
            return work->hold(std::move(owned));
        }
        settle(*work, std::move(owned));
        if (work->channel) work->channel->publish();
        again = std::exchange(work->stalled, false);
    };
    contain(finish, [this](char const* what) { give_up(what); });
    if (again) signalled();
}

/// One more that is free. The first one is beyond the budget, if need be: each channel gets on, if slowly.
bool StorageChannel::make_transaction(Work& work)
{
    if (work.transactions == max_under_way) return false;
    if (work.transactions == 0) {
        memory_.take_always(Transaction::usual_memory);
    } else if (!memory_.take(Transaction::usual_memory)) {
        return false;
    }
    work.free.push_back(std::make_unique<Transaction>(*this));
    ++work.transactions;
    return true;
}

void StorageChannel::give_back(Work& work, OwnedTransaction&& transaction)
{
    transaction->reset();
    keep(work, std::move(transaction));
}

/// One that has forgotten everything. A closed channel keeps none, and an open one few, and none while others wait
/// for memory.
void StorageChannel::keep(Work& work, OwnedTransaction&& transaction)
{
    if (!work.channel || work.free.size() == most_free || state_->host.io_memory->crowded())
        return retire(work, std::move(transaction));
    if (auto const charged = std::exchange(transaction->charged, 0); charged != 0) memory_.give_back(charged);
    work.free.push_back(std::move(transaction));
}

void StorageChannel::retire(Work& work, OwnedTransaction&& transaction)
{
    auto const charged = transaction->charged + Transaction::usual_memory;
    transaction.reset();
    --work.transactions;
    memory_.give_back(charged);
}

/// Answers what a transaction was about, unless its channel is closed by now.
void StorageChannel::settle(Work& work, OwnedTransaction&& transaction)
{
    if (transaction->failed()) ++work.condition.errors;
    bool const open = work.channel && (!transaction->channel || transaction->channel == work.channel);
    if (open && transaction->wants_answer) {
        auto const version = state_->version.load(std::memory_order_relaxed);
        work.answers.send(work.channel->outgoing(), hv::abi::PacketType::Completion, transaction->id,
                          transaction->answer_bytes(version));
    }
    give_back(work, std::move(transaction));
}

/// False when the ring is full.
bool StorageChannel::write_waiting_answers(Work& work)
{
    if (!work.answers.flush(work.channel->outgoing())) return false;
    if (!work.condition.tell_of_units || work.condition.step != Step::Ready) return true;
    std::array<std::byte, largest_packet> packet{};
    PacketHeader const header{Operation::EnumerateBus, 0, PacketStatus::Success};
    std::memcpy(packet.data(), &header, sizeof header);
    auto const size = packet_size(state_->version.load(std::memory_order_relaxed));
    work.answers.send(work.channel->outgoing(), hv::abi::PacketType::DataInband, 0, std::span{packet}.first(size));
    work.condition.tell_of_units = false;
    return work.answers.empty();
}

void StorageChannel::inspect(hv::Inspector& inspector) const
{
    auto const work = work_.lock();
    inspector.flag("open", work->channel != nullptr);
    inspector.flag("ready", work->condition.step == Step::Ready);
    inspector.number("version", static_cast<std::uint16_t>(state_->version.load(std::memory_order_relaxed)));
    inspector.number("under_way", work->with_backend.size());
    inspector.number("to_repeat", work->repeated.size());
    inspector.flag("waits_for_memory", work->parked != nullptr);
    inspector.number("answers_waiting", work->answers.size());
    show(inspector, work->condition);
}

} // namespace devices::storage
