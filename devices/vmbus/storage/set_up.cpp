// How a guest sets a controller up: version, properties, sub-channels.
#include "devices/vmbus/storage/storage_channel.hpp"

#include <algorithm>
#include <array>

namespace devices::storage {

Version known_version(std::uint16_t version)
{
    constexpr std::array versions{Version::Windows7, Version::Windows8, Version::Windows8_1, Version::Windows10};
    return std::ranges::find(versions, Version{version}) == versions.end() ? Version::None : Version{version};
}

void StorageChannel::set_up(Work& work, Transaction& transaction)
{
    auto const step = [&](Step from, Step to) {
        bool const right = work.condition.step == from;
        if (right) work.condition.step = to;
        transaction.answer(right ? PacketStatus::Success : PacketStatus::InvalidDeviceState);
        return right;
    };
    switch (transaction.operation_asked()) {
    case Operation::BeginInitialization: (void)step(Step::Begin, Step::Version); break;
    case Operation::QueryProtocolVersion: {
        auto const version = transaction.word();
        if (work.condition.step == Step::Version && known_version(version) == Version::None) {
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
    case Operation::CreateSubChannels: transaction.answer(create_sub_channels(work, transaction.word())); break;
    case Operation::ResetLun:
    case Operation::ResetAdapter:
    case Operation::ResetBus:
        // Commands under way are answered by themselves; the guest waits for that.
        (void)step(Step::Ready, Step::Ready);
        break;
    default: transaction.answer(PacketStatus::InvalidDeviceRequest); break;
    }
}

PacketStatus StorageChannel::create_sub_channels(Work& work, std::uint16_t count)
{
    if (!primary() || (work.condition.step != Step::End && work.condition.step != Step::Ready) ||
        work.condition.sub_channels_made)
        return PacketStatus::InvalidDeviceState;
    if (state_->version.load(std::memory_order_relaxed) < Version::Windows8 || count > state_->max_sub_channels)
        return PacketStatus::InvalidParameter;
    work.condition.sub_channels_made = true;
    for (std::uint16_t n = 1; n <= count; ++n)
        state_->bus.offer(state_->offer(n), make_sub_channel_());
    return PacketStatus::Success;
}

} // namespace devices::storage
