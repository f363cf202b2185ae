#include "devices/vmbus/network/nic.hpp"

#include <algorithm>

namespace devices::network {

using nvsp::Status;
using nvsp::Type;
using nvsp::Version;

template <typename Message>
void Nic::answer(ServedChannel& primary, hv::vmbus::Packet const& packet, Message const& message)
{
    if (packet.wants_completion())
        primary.send(hv::abi::PacketType::Completion, packet.transaction(), std::as_bytes(std::span{&message, 1}));
}

void Nic::refuse(ServedChannel& primary, hv::vmbus::Packet const& packet)
{
    if (packet.wants_completion()) primary.send(hv::abi::PacketType::Completion, packet.transaction(), {});
}

void Nic::message(ServedChannel& primary, hv::vmbus::Channel& channel, hv::vmbus::Packet const& packet)
{
    auto& control = control_.with(primary);
    constexpr auto not_supported = static_cast<std::uint32_t>(rndis::Status::NotSupported);
    auto type = Type{};
    if (!packet.read(type)) return;
    if (type == Type::Init) return initialize(primary, packet);
    if (control.settings.version == Version::None) return refuse(primary, packet);

    switch (type) {
    case Type::SendNdisVersion: {
        nvsp::SendNdisVersion version{};
        if (packet.read(version)) {
            control.settings.ndis_major = version.major;
            control.settings.ndis_minor = version.minor;
        }
        return refuse(primary, packet); // it has no answer
    }
    case Type::SendNdisConfig: take_configuration(primary, packet); return refuse(primary, packet); // nor this
    case Type::SendReceiveBuffer: return set_receive_buffer(primary, channel, packet);
    case Type::SendSendBuffer: return set_send_buffer(primary, channel, packet);
    case Type::RevokeReceiveBuffer: {
        auto path = send_path();
        path.receive_buffer = nullptr;
        control.answers.clear();
        change_path(primary, std::move(path));
        return refuse(primary, packet); // nor this
    }
    case Type::RevokeSendBuffer: {
        auto path = send_path();
        path.buffer = nullptr;
        change_path(primary, std::move(path));
        return refuse(primary, packet); // nor this
    }
    case Type::SubChannel:
        if (control.settings.version < Version::V5) return refuse(primary, packet);
        return allocate_channels(primary, packet);
    case Type::OidQueryEx:
        return answer(primary, packet, nvsp::OidQueryExComplete{Type::OidQueryExComplete, not_supported, 0});
    case Type::PacketDirect:
        return answer(primary, packet, nvsp::PacketDirectComplete{Type::PacketDirect, 0, not_supported});
    default: return refuse(primary, packet); // SwitchDataPath among them: there is only this one
    }
}

std::size_t Nic::message_size(Version version)
{
    return version >= Version::V61 ? nvsp::size_from_v61 : nvsp::size_to_v6;
}

void Nic::initialize(ServedChannel& primary, hv::vmbus::Packet const& packet)
{
    auto& control = control_.with(primary);
    constexpr std::uint32_t no_version = 0xFFFF'FFFF;
    constexpr std::uint32_t chain_length = 34; // as Hyper-V says
    nvsp::Init asked{};
    auto const complete = packet.read(asked);
    auto const version = complete ? nvsp::known_version(asked.version) : Version::None;
    auto const good = version != Version::None && control.settings.version == Version::None;
    if (good) {
        control.settings.version = version;
        SendPath path;
        path.message_size = message_size(version);
        change_path(primary, std::move(path));
    }
    answer(primary, packet,
           nvsp::InitComplete{Type::InitComplete,
                              good && version == Version::V1 ? static_cast<std::uint32_t>(version) : no_version,
                              chain_length, good ? Status::Success : Status::None});
}

void Nic::take_configuration(ServedChannel& primary, hv::vmbus::Packet const& packet)
{
    auto& control = control_.with(primary);
    nvsp::SendNdisConfig config{};
    if (control.settings.version < Version::V2 || !packet.read(config) || send_path().receive_buffer) return;
    control.settings.max_frame = std::clamp(config.mtu, usual_frame, largest_mtu_frame);
    control.settings.coalescing_possible =
        control.settings.version >= Version::V61 && (config.capabilities & nvsp::capability_rsc) != 0;
}

void Nic::set_receive_buffer(ServedChannel& primary, hv::vmbus::Channel& channel, hv::vmbus::Packet const& packet)
{
    auto& control = control_.with(primary);
    nvsp::SendBuffer asked{};
    auto path = send_path();
    if (packet.read(asked) && !path.receive_buffer) {
        path.receive_gpadl = hv::vmbus::GpadlId{asked.gpadl};
        auto memory = channel.gpadl(path.receive_gpadl);
        if (memory && memory->page_aligned())
            path.receive_buffer = ReceiveBuffer::make(std::move(memory), asked.id, control.settings.max_frame);
    } else {
        path.receive_buffer = nullptr;
    }
    if (!path.receive_buffer)
        return answer(primary, packet,
                      nvsp::ReceiveBufferComplete{.type = Type::SendReceiveBufferComplete,
                                                  .status = Status::Failure,
                                                  .section_count = 0,
                                                  .offset = 0,
                                                  .allocation_size = 0,
                                                  .allocation_count = 0,
                                                  .end = 0});
    auto const size = path.receive_buffer->section_size();
    auto const count = path.receive_buffer->section_count();
    change_path(primary, std::move(path));
    answer(primary, packet,
           nvsp::ReceiveBufferComplete{.type = Type::SendReceiveBufferComplete,
                                       .status = Status::Success,
                                       .section_count = 1,
                                       .offset = 0,
                                       .allocation_size = size,
                                       .allocation_count = count,
                                       .end = size * count});
}

void Nic::set_send_buffer(ServedChannel& primary, hv::vmbus::Channel& channel, hv::vmbus::Packet const& packet)
{
    nvsp::SendBuffer asked{};
    auto path = send_path();
    bool const good =
        packet.read(asked) && !path.buffer && use_send_buffer(channel, hv::vmbus::GpadlId{asked.gpadl}, path);
    if (good) change_path(primary, std::move(path));
    answer(primary, packet,
           nvsp::SendBufferComplete{Type::SendSendBufferComplete, good ? Status::Success : Status::Failure,
                                    good ? ChannelQueue::send_section_size : 0});
}

bool Nic::use_send_buffer(hv::vmbus::Channel const& channel, hv::vmbus::GpadlId id, SendPath& path)
{
    auto memory = channel.gpadl(id);
    if (!memory || !memory->page_aligned() || memory->size() < ChannelQueue::send_section_size) return false;
    path.buffer = std::move(memory);
    path.buffer_gpadl = id;
    return true;
}

void Nic::allocate_channels(ServedChannel& primary, hv::vmbus::Packet const& packet)
{
    auto& control = control_.with(primary);
    nvsp::SubChannelRequest asked{};
    auto const good = packet.read(asked) && asked.operation == nvsp::operation_allocate &&
                      sub_channels_.load() == 0 && control.settings.initialized;
    auto const count = good ? std::min(asked.count, facts_.max_channels - 1) : 0;
    sub_channels_.store(good ? count : sub_channels_.load());
    answer(primary, packet,
           nvsp::SubChannelComplete{Type::SubChannel, good ? Status::Success : Status::Failure, count});
    if (!good) return;
    update_receiver(control.settings);
    for (unsigned i = 1; i <= count; ++i)
        offer(i);
}

} // namespace devices::network
