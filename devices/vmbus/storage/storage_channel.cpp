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
{
    free_.reserve(most_free);
    with_backend_.reserve(max_under_way);
}

StorageChannel::~StorageChannel() = default;

void StorageChannel::open(std::shared_ptr<hv::vmbus::Channel> channel)
{
    {
        auto const lock = std::lock_guard{mutex_};
        if (stopped_) return;
        channel_ = std::move(channel);
        condition_.step = primary() ? Step::Begin : Step::Ready;
        condition_.sub_channels_made = false;
        condition_.tell_of_units = false;
        stalled_ = false;
        if (primary()) state_->version.store(Version::None, std::memory_order_relaxed);
    }
    signalled();
}

void StorageChannel::close()
{
    vmbus::ChannelWorker::Hold const hold{worker_};
    auto const lock = std::lock_guard{mutex_};
    condition_.step = Step::Closed;
    if (primary()) state_->version.store(Version::None, std::memory_order_relaxed);
    forget_channel();
}

std::size_t StorageChannel::stop(std::chrono::steady_clock::time_point deadline)
{
    worker_.hold(); // for good
    auto lock = std::unique_lock{mutex_};
    stopped_ = true;
    stalled_ = false;
    forget_channel();
    idle_.wait_until(lock, deadline, [this] { return with_backend_.empty(); });
    return with_backend_.size();
}

void StorageChannel::forget_channel()
{
    channel_.reset();
    answers_.clear();
    repeated_.clear();
    while (auto transaction = take_held())
        retire(std::move(transaction));
    if (parked_) retire(std::move(parked_));
    while (!free_.empty()) {
        retire(std::move(free_.back()));
        free_.pop_back();
    }
    memory_.leave();
}

void StorageChannel::quiesce(hv::StillBusy busy)
{
    {
        auto const lock = std::lock_guard{mutex_};
        quiesced_ = true;
    }
    worker_.quiesce(std::move(busy));
}

void StorageChannel::resume()
{
    auto const settle_held = [this] {
        auto const lock = std::lock_guard{mutex_};
        quiesced_ = false;
        while (auto transaction = take_held())
            settle(std::move(transaction));
        if (channel_) channel_->publish();
    };
    if (!quiesced_) return;
    contain(settle_held, [this](char const* what) { give_up(what); });
    worker_.post(); // those that were answered have made room for others
    worker_.resume();
}

StorageChannel::OwnedTransaction StorageChannel::take_held()
{
    auto first = std::move(held_);
    if (first) held_ = std::move(first->next);
    if (!held_) held_end_ = &held_;
    return first;
}

void StorageChannel::units_changed()
{
    {
        auto const lock = std::lock_guard{mutex_};
        if (condition_.step != Step::Ready) return; // the guest will look anyway
        condition_.tell_of_units = true;
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
        auto const lock = std::lock_guard{mutex_};
        ++condition_.broken_rings;
        forget_channel();
        if (stopped_) idle_.notify_all();
    }
    if (state_->host.notice) state_->host.notice(std::string{"a channel of a guest's disks was given up: "} + why);
}

vmbus::Served::Left StorageChannel::serve_ring(vmbus::Turn& turn)
{
    auto lock = std::unique_lock{mutex_};
    if (!channel_) return Left::Nothing;
    // When answers wait still, the guest signals once it has made room.
    auto const left = write_waiting_answers() ? take_packets(turn, lock) : Left::Nothing;
    if (channel_) channel_->publish();
    return left;
}

vmbus::Served::Left StorageChannel::take_packets(vmbus::Turn& turn, std::unique_lock<Lock>& lock)
{
    hv::vmbus::Packet packet;
    unsigned taken = 0;
    while (channel_) {
        if (turn.over()) return Left::Some;
        if (parked_) {
            if (!start(std::move(parked_), turn, lock) || !answers_.empty()) return Left::Nothing;
            if (!channel_) break; // `start` let go of the lock
        }
        auto transaction = take_transaction();
        if (!transaction) {
            stalled_ = true; // `finished` signals, and so does the account
            return Left::Nothing;
        }
        if (!repeated_.empty()) {
            auto const again = std::move(repeated_.front());
            repeated_.pop_front();
            turn.count_packet();
            handle(std::move(transaction), again.packet(), turn, lock);
            if (!answers_.empty() || parked_) return Left::Nothing;
            continue;
        }
        switch (channel_->incoming().next(packet)) {
        case hv::vmbus::IncomingRing::Next::Taken: break;
        case hv::vmbus::IncomingRing::Next::Empty: keep(std::move(transaction)); return Left::Nothing;
        case hv::vmbus::IncomingRing::Next::Broken:
            keep(std::move(transaction));
            ++condition_.broken_rings;
            forget_channel();
            return Left::Nothing;
        }
        turn.count_packet();
        handle(std::move(transaction), packet, turn, lock);
        if (!answers_.empty() || parked_) return Left::Nothing;
        if (++taken % batch == 0 && channel_) channel_->publish();
    }
    return Left::Nothing;
}

void StorageChannel::handle(OwnedTransaction transaction, hv::vmbus::Packet const& packet, vmbus::Turn& turn,
                            std::unique_lock<Lock>& lock)
{
    auto const version = state_->version.load(std::memory_order_relaxed);
    if (!transaction->take(packet, version)) {
        transaction->answer(PacketStatus::InvalidParameter);
    } else if (transaction->operation_asked() != Operation::ExecuteSrb) {
        set_up(*transaction);
    } else if (condition_.step != Step::Ready || version == Version::None) {
        transaction->answer(PacketStatus::InvalidDeviceState);
    } else {
        ++condition_.commands;
        transaction->channel = channel_;
        bool const waits = transaction->prepare(packet, channel_->memory(), state_->units, spans_);
        if (spans_.capacity() > usual_spans) std::vector<hv::vmbus::GuestSpan>{}.swap(spans_);
        if (waits) {
            transaction->remember(packet);
            transaction->number = condition_.commands;
            (void)start(std::move(transaction), turn, lock);
            return;
        }
    }
    settle(std::move(transaction));
}

/// One is run in any case, so that its end lets others run.
bool StorageChannel::start(OwnedTransaction transaction, vmbus::Turn& turn, std::unique_lock<Lock>& lock)
{
    if (auto const extra = transaction->extra_memory(); extra != 0) {
        if (with_backend_.empty()) {
            memory_.take_always(extra);
        } else if (!memory_.take(extra)) {
            parked_ = std::move(transaction);
            stalled_ = true;
            return false;
        }
        transaction->charged = extra;
    }
    run(std::move(transaction), turn, lock);
    return true;
}

void StorageChannel::run(OwnedTransaction transaction, vmbus::Turn& turn, std::unique_lock<Lock>& lock)
{
    lend_to_backend(*transaction);
    auto* const running = transaction.release(); // from here on it may be the backend's
    running->keeps_owner = shared_from_this();
    if (running->operation == block::Operation::Read || running->operation == block::Operation::Write)
        turn.count_bytes(running->length);
    lock.unlock();
    bool const ready = running->run();
    lock.lock();
    if (!ready) {
        ++condition_.waited;
        return;
    }
    transaction.reset(running);
    transaction->keeps_owner.reset();
    take_from_backend(*transaction);
    if (stopped_) idle_.notify_all();
    settle(std::move(transaction));
}

void StorageChannel::finished(Transaction& transaction) noexcept
{
    OwnedTransaction owned{&transaction};
    auto const self = std::move(owned->keeps_owner);
    bool again = false;
    auto const finish = [&] {
        auto const lock = std::lock_guard{mutex_};
        take_from_backend(*owned);
        if (stopped_) idle_.notify_all();
        if (quiesced_ && !stopped_) {
            *held_end_ = std::move(owned);
            held_end_ = &(*held_end_)->next;
            return;
        }
        settle(std::move(owned));
        if (channel_) channel_->publish();
        again = std::exchange(stalled_, false);
    };
    contain(finish, [this](char const* what) { give_up(what); });
    if (again) signalled();
}

/// The first one is beyond the budget, if need be: each channel gets on, if slowly.
StorageChannel::OwnedTransaction StorageChannel::take_transaction()
{
    if (!free_.empty()) {
        auto transaction = std::move(free_.back());
        free_.pop_back();
        return transaction;
    }
    if (transactions_ == max_under_way) return nullptr;
    if (transactions_ == 0) {
        memory_.take_always(Transaction::usual_memory);
    } else if (!memory_.take(Transaction::usual_memory)) {
        return nullptr;
    }
    auto transaction = std::make_unique<Transaction>(*this);
    ++transactions_;
    return transaction;
}

void StorageChannel::give_back(OwnedTransaction transaction)
{
    transaction->reset();
    keep(std::move(transaction));
}

/// One that has forgotten everything. A closed channel keeps none, and an open one few, and none while others wait
/// for memory.
void StorageChannel::keep(OwnedTransaction transaction)
{
    if (!channel_ || free_.size() == most_free || state_->host.io_memory->crowded())
        return retire(std::move(transaction));
    if (auto const charged = std::exchange(transaction->charged, 0); charged != 0) memory_.give_back(charged);
    free_.push_back(std::move(transaction));
}

void StorageChannel::retire(OwnedTransaction transaction)
{
    auto const charged = transaction->charged + Transaction::usual_memory;
    transaction.reset();
    --transactions_;
    memory_.give_back(charged);
}

/// Answers what a transaction was about, unless its channel is closed by now.
void StorageChannel::settle(OwnedTransaction transaction)
{
    if (transaction->failed()) ++condition_.errors;
    bool const open = channel_ && (!transaction->channel || transaction->channel == channel_);
    if (open && transaction->wants_answer) {
        auto const version = state_->version.load(std::memory_order_relaxed);
        answers_.send(channel_->outgoing(), hv::abi::PacketType::Completion, transaction->id,
                      transaction->answer_bytes(version));
    }
    give_back(std::move(transaction));
}

/// False when the ring is full.
bool StorageChannel::write_waiting_answers()
{
    if (!answers_.flush(channel_->outgoing())) return false;
    if (!condition_.tell_of_units || condition_.step != Step::Ready) return true;
    std::array<std::byte, largest_packet> packet{};
    PacketHeader const header{Operation::EnumerateBus, 0, PacketStatus::Success};
    std::memcpy(packet.data(), &header, sizeof header);
    auto const size = packet_size(state_->version.load(std::memory_order_relaxed));
    answers_.send(channel_->outgoing(), hv::abi::PacketType::DataInband, 0, std::span{packet}.first(size));
    condition_.tell_of_units = false;
    return answers_.empty();
}

void StorageChannel::inspect(hv::Inspector& inspector) const
{
    auto const lock = std::lock_guard{mutex_};
    inspector.flag("open", channel_ != nullptr);
    inspector.flag("ready", condition_.step == Step::Ready);
    inspector.number("version", static_cast<std::uint16_t>(state_->version.load(std::memory_order_relaxed)));
    inspector.number("under_way", with_backend_.size());
    inspector.number("to_repeat", repeated_.size());
    inspector.flag("waits_for_memory", parked_ != nullptr);
    inspector.number("answers_waiting", answers_.size());
    show(inspector, condition_);
}

} // namespace devices::storage
