#include "devices/vmbus/storage/storage_channel.hpp"

#include "hv/base/inspect.hpp"

#include <algorithm>
#include <array>
#include <cstring>
#include <utility>

namespace devices::storage {

namespace {

/// How many packets are answered before the guest is shown the first answers.
constexpr unsigned batch = 16;

bool known(std::uint16_t version)
{
    constexpr std::array versions{Version::Windows7, Version::Windows8, Version::Windows8_1, Version::Windows10};
    return std::ranges::find(versions, Version{version}) != versions.end();
}

} // namespace

StorageChannel::StorageChannel(std::shared_ptr<ControllerState> state, SubChannelMaker make_sub_channels)
    : state_{std::move(state)}, make_sub_channels_{std::move(make_sub_channels)}
{}

StorageChannel::~StorageChannel() = default;

void StorageChannel::open(std::shared_ptr<hv::vmbus::Channel> channel)
{
    {
        auto const lock = std::lock_guard{mutex_};
        if (stopped_) return;
        channel_ = std::move(channel);
        step_ = primary() ? Step::Begin : Step::Ready;
        sub_channels_made_ = false;
        tell_of_units_ = false;
        stalled_ = false;
        if (primary()) state_->version.store(Version::None, std::memory_order_relaxed);
    }
    signalled();
}

void StorageChannel::close()
{
    auto const lock = std::lock_guard{mutex_};
    channel_.reset();
    step_ = Step::Closed;
    if (primary()) state_->version.store(Version::None, std::memory_order_relaxed);
    for (auto* const transaction : std::exchange(waiting_answers_, {}))
        give_back(*transaction);
}

void StorageChannel::stop()
{
    auto lock = std::unique_lock{mutex_};
    stopped_ = true;
    channel_.reset();
    idle_.wait(lock, [this] { return with_backend_ == 0; });
}

void StorageChannel::units_changed()
{
    {
        auto const lock = std::lock_guard{mutex_};
        if (step_ != Step::Ready) return; // the guest will look anyway
        tell_of_units_ = true;
    }
    signalled();
}

/// Nobody waits here for another one who serves the ring: that one will look again.
void StorageChannel::signalled()
{
    if (calls_.fetch_add(1, std::memory_order_acq_rel) != 0) return;
    auto const self = shared_from_this(); // the bus may let go of it meanwhile
    unsigned calls = 0;
    do {
        calls = calls_.load(std::memory_order_acquire);
        serve();
    } while (calls_.fetch_sub(calls, std::memory_order_acq_rel) != calls);
}

void StorageChannel::serve()
{
    auto lock = std::unique_lock{mutex_};
    if (!channel_) return;
    if (!write_what_waits()) {
        channel_->publish();
        return; // the guest signals when it has made room
    }

    hv::vmbus::Packet packet;
    unsigned taken = 0;
    while (channel_) {
        auto* const transaction = take_transaction();
        if (!transaction) {
            stalled_ = true; // `finished` comes by
            channel_->publish();
            return;
        }
        switch (channel_->incoming().next(packet)) {
        case hv::vmbus::IncomingRing::Next::Taken: break;
        case hv::vmbus::IncomingRing::Next::Empty:
            give_back(*transaction);
            channel_->publish();
            return;
        case hv::vmbus::IncomingRing::Next::Broken:
            give_back(*transaction);
            ++broken_;
            channel_.reset();
            return;
        }
        handle(*transaction, packet, lock);
        if (++taken % batch == 0 && channel_) channel_->publish();
    }
}

void StorageChannel::handle(Transaction& transaction, hv::vmbus::Packet const& packet,
                            std::unique_lock<std::mutex>& lock)
{
    auto const version = state_->version.load(std::memory_order_relaxed);
    if (!transaction.take(packet, version)) {
        transaction.answer(PacketStatus::InvalidParameter);
    } else if (transaction.operation_asked() != Operation::ExecuteSrb) {
        set_up(transaction);
    } else if (step_ != Step::Ready || version == Version::None) {
        transaction.answer(PacketStatus::InvalidDeviceState);
    } else {
        ++commands_;
        transaction.channel = channel_;
        if (transaction.prepare(packet, channel_->memory(), state_->units)) return run(transaction, lock);
    }
    settle(transaction);
}

void StorageChannel::run(Transaction& transaction, std::unique_lock<std::mutex>& lock)
{
    ++with_backend_;
    transaction.keeps_owner = shared_from_this();
    lock.unlock();
    bool const ready = transaction.run();
    lock.lock();
    if (!ready) {
        ++waited_;
        return;
    }
    transaction.keeps_owner.reset(); // its answer may wait in here for as long as the channel lives
    --with_backend_;
    if (stopped_) idle_.notify_all();
    settle(transaction);
}

void StorageChannel::finished(Transaction& transaction)
{
    auto const self = std::move(transaction.keeps_owner);
    bool again = false;
    {
        auto const lock = std::lock_guard{mutex_};
        --with_backend_;
        settle(transaction);
        if (channel_) channel_->publish();
        again = std::exchange(stalled_, false);
        if (stopped_) idle_.notify_all();
    }
    if (again) signalled();
}

void StorageChannel::set_up(Transaction& transaction)
{
    auto const step = [&](Step from, Step to) {
        bool const right = step_ == from;
        if (right) step_ = to;
        transaction.answer(right ? PacketStatus::Success : PacketStatus::InvalidDeviceState);
        return right;
    };
    switch (transaction.operation_asked()) {
    case Operation::BeginInitialization: (void)step(Step::Begin, Step::Version); break;
    case Operation::QueryProtocolVersion: {
        auto const version = transaction.word();
        if (step_ == Step::Version && !known(version)) {
            transaction.answer(PacketStatus::RevisionMismatch); // the guest offers another one
        } else if (step(Step::Version, Step::Properties)) {
            state_->version.store(Version{version}, std::memory_order_relaxed);
        }
        break;
    }
    case Operation::QueryProperties: {
        if (!step(Step::Properties, Step::End)) break;
        bool const several = state_->version.load(std::memory_order_relaxed) >= Version::Windows8;
        transaction.answer(ChannelProperties{
            .reserved = 0,
            .max_sub_channels = several ? state_->max_sub_channels : std::uint16_t{0},
            .reserved2 = 0,
            .flags = several ? supports_sub_channels : 0,
            .max_transfer_bytes = max_transfer,
            .reserved3 = 0,
        });
        break;
    }
    case Operation::EndInitialization: (void)step(Step::End, Step::Ready); break;
    case Operation::CreateSubChannels: transaction.answer(create_sub_channels(transaction.word())); break;
    case Operation::ResetLun:
    case Operation::ResetAdapter:
    case Operation::ResetBus:
        // Commands under way are answered by themselves; the guest waits for that.
        (void)step(Step::Ready, Step::Ready);
        break;
    default: transaction.answer(PacketStatus::InvalidDeviceRequest); break;
    }
}

PacketStatus StorageChannel::create_sub_channels(std::uint16_t count)
{
    if (!primary() || (step_ != Step::End && step_ != Step::Ready) || sub_channels_made_)
        return PacketStatus::InvalidDeviceState;
    if (state_->version.load(std::memory_order_relaxed) < Version::Windows8 || count > state_->max_sub_channels)
        return PacketStatus::InvalidParameter;
    sub_channels_made_ = true;
    make_sub_channels_(count);
    return PacketStatus::Success;
}

Transaction* StorageChannel::take_transaction()
{
    if (!free_.empty()) {
        auto* const transaction = free_.back();
        free_.pop_back();
        return transaction;
    }
    if (transactions_.size() == max_under_way) return nullptr;
    transactions_.push_back(std::make_unique<Transaction>(*this));
    return transactions_.back().get();
}

void StorageChannel::give_back(Transaction& transaction)
{
    transaction.reset();
    free_.push_back(&transaction);
}

/// A transaction that has its answer: sends it, or keeps it until there is room.
void StorageChannel::settle(Transaction& transaction)
{
    if (transaction.failed()) ++errors_;
    bool const closed = !channel_ || (transaction.channel && transaction.channel != channel_);
    if (closed || !transaction.wants_answer) return give_back(transaction);
    if (!waiting_answers_.empty() || !write_answer(transaction)) {
        waiting_answers_.push_back(&transaction);
    } else {
        give_back(transaction);
    }
}

bool StorageChannel::write_answer(Transaction const& transaction)
{
    auto const version = state_->version.load(std::memory_order_relaxed);
    return channel_->outgoing().complete(transaction.id, transaction.answer_bytes(version));
}

/// False when the ring is full.
bool StorageChannel::write_what_waits()
{
    std::size_t written = 0;
    while (written < waiting_answers_.size() && write_answer(*waiting_answers_[written]))
        give_back(*waiting_answers_[written++]);
    waiting_answers_.erase(waiting_answers_.begin(), waiting_answers_.begin() + static_cast<std::ptrdiff_t>(written));
    if (!waiting_answers_.empty()) return false;

    if (tell_of_units_ && step_ == Step::Ready) {
        std::array<std::byte, largest_packet> packet{};
        PacketHeader const header{Operation::EnumerateBus, 0, PacketStatus::Success};
        std::memcpy(packet.data(), &header, sizeof header);
        auto const size = packet_size(state_->version.load(std::memory_order_relaxed));
        if (!channel_->outgoing().write(hv::abi::PacketType::DataInband, 0, 0, std::span{packet}.first(size)))
            return false;
        tell_of_units_ = false;
    }
    return true;
}

void StorageChannel::inspect(hv::Inspector& inspector) const
{
    auto const lock = std::lock_guard{mutex_};
    inspector.flag("open", channel_ != nullptr);
    inspector.flag("ready", step_ == Step::Ready);
    inspector.number("version", static_cast<std::uint16_t>(state_->version.load(std::memory_order_relaxed)));
    inspector.number("under_way", with_backend_);
    inspector.number("commands", commands_);
    inspector.number("waited", waited_);
    inspector.number("errors", errors_);
    inspector.number("answers_waiting", waiting_answers_.size());
    inspector.number("broken_rings", broken_);
}

} // namespace devices::storage
