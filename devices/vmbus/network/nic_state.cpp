// How a network card goes elsewhere with its guest's settings and buffers.
#include "devices/vmbus/network/nic.hpp"

#include <algorithm>
#include <utility>

namespace devices::network {

namespace {

/// What was saved, as far as this card and this program can do it.
Settings possible(Settings settings, Facts const& facts)
{
    settings.version = nvsp::known_version(static_cast<std::uint32_t>(settings.version));
    settings.max_frame = std::clamp(settings.max_frame, usual_frame, largest_mtu_frame);
    settings.send_checksum4 &= facts.backend.checksum;
    settings.send_checksum6 &= facts.backend.checksum;
    settings.large_send4 &= facts.backend.checksum && facts.backend.large4;
    settings.large_send6 &= facts.backend.checksum && facts.backend.large6;
    if (settings.version == nvsp::Version::None) settings.initialized = false;
    return settings;
}

} // namespace

CardState Nic::card_state(ServedChannel const& primary) const
{
    auto const& control = control_.with(primary);
    CardState state;
    state.settings = control.settings;
    state.cable_in = link_up_.load();
    state.link_indicated = link_indicated_.load();
    state.sub_channels = sub_channels_.load();
    state.table_due = table_due_.load();
    state.answers = {control.answers.begin(), control.answers.end()};
    auto const path = send_path();
    if (path.buffer) state.send_buffer = {true, path.buffer_gpadl.value, 0, ChannelQueue::send_section_size};
    if (auto const& buffer = path.receive_buffer) {
        state.receive_buffer = {true, path.receive_gpadl.value, buffer->id(), buffer->section_size()};
        state.with_guest = buffer->with_guest();
        state.room_awaited = buffer->room_awaited();
    }
    return state;
}

void Nic::visit_card(ServedChannel& primary, hv::vmbus::Channel* channel, hv::StateVisitor& visitor)
{
    auto state = card_state(primary);
    hv::visit(visitor, state);
    {
        hv::VisitedNode const node{visitor, "received"};
        received_.visit(visitor);
    }
    if (!visitor.restores()) return;
    link_up_.store(state.cable_in);
    link_indicated_.store(state.link_indicated);
    if (channel) restore(primary, *channel, std::move(state));
}

/// Frames that the former card had not brought to a ring are lost, as on any network.
void Nic::restore(ServedChannel& primary, hv::vmbus::Channel const& channel, CardState state)
{
    auto& control = control_.with(primary);
    control.settings = possible(state.settings, facts_);
    sub_channels_.store(std::min(state.sub_channels, facts_.max_channels - 1));
    table_due_.store(state.table_due && sub_channels_.load() != 0);
    SendPath path;
    if (control.settings.version != nvsp::Version::None) {
        path.message_size = message_size(control.settings.version);
        restore_buffers(primary, channel, state, path);
    }
    change_path(primary, std::move(path));
    listen(control.settings.packet_filter != 0, control.settings.receive_offloads());
}

void Nic::restore_buffers(ServedChannel& primary, hv::vmbus::Channel const& channel, CardState const& state,
                          SendPath& path)
{
    auto& control = control_.with(primary);
    if (state.send_buffer.there) (void)use_send_buffer(channel, hv::vmbus::GpadlId{state.send_buffer.gpadl}, path);
    if (!state.receive_buffer.there) return;
    path.receive_gpadl = hv::vmbus::GpadlId{state.receive_buffer.gpadl};
    if (auto memory = channel.gpadl(path.receive_gpadl); memory && memory->page_aligned())
        path.receive_buffer =
            ReceiveBuffer::make_again(std::move(memory), state.receive_buffer.id, state.receive_buffer.section_size);
    if (!path.receive_buffer) return;

    std::vector<Section> taken;
    for (auto const& answer : state.answers) {
        bool const twice = std::ranges::find(taken, answer.section) != taken.end();
        if (twice || answer.section >= path.receive_buffer->section_count()) continue;
        taken.push_back(answer.section);
        control.answers.push_back({answer.section, std::min(answer.size, path.receive_buffer->section_size())});
    }
    path.receive_buffer->restore(taken, state.with_guest, state.room_awaited);
}

std::shared_ptr<hv::vmbus::ChannelDevice> Nic::sub_channel(std::size_t n)
{
    if (n == 0 || n > sub_channels_.load()) return nullptr;
    return {shared_from_this(), queues_[n].get()};
}

} // namespace devices::network
