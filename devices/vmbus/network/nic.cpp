#include "devices/vmbus/network/nic.hpp"

#include "devices/vmbus/network/rndis_control.hpp"

#include <algorithm>
#include <array>

namespace devices::network {

hv::vmbus::Guid instance_id(unsigned n)
{
    auto id = hv::vmbus::guid("7a3fd9c0-52b1-4e0e-9d5c-b0a9e61c0000");
    id.bytes[14] = static_cast<std::uint8_t>(n >> 8);
    id.bytes[15] = static_cast<std::uint8_t>(n);
    return id;
}

Nic::Nic(Config config, std::unique_ptr<net::FrameBackend> backend, hv::vmbus::Bus& bus)
    : config_{std::move(config)},
      facts_{config_.mac, config_.max_channels, backend->send_offloads()},
      backend_{std::move(backend)},
      bus_{bus},
      receiver_{*this, config_.max_channels, received_}
{
    for (unsigned i = 0; i < config_.max_channels; ++i)
        queues_.push_back(std::make_unique<ChannelQueue>(static_cast<Card&>(*this), *backend_, bus_.runner(), i));
}

Nic::~Nic()
{
    stop();
}

void Nic::start()
{
    backend_->start(receiver_);
    offer(0);
}

void Nic::stop()
{
    backend_->stop();
}

void Nic::quiesce(hv::StillBusy busy)
{
    shared_.lock()->quiesced = true;
    backend_->quiesce(std::move(busy));
}

void Nic::resume()
{
    shared_.lock()->quiesced = false;
    indicate_link();
    backend_->resume();
}

void Nic::offer(unsigned channel)
{
    hv::vmbus::OfferSpec spec;
    spec.interface = interface_id;
    spec.instance = config_.instance;
    spec.sub_channel = static_cast<std::uint16_t>(channel);
    bus_.offer(spec, {shared_from_this(), queues_[channel].get()});
}

void Nic::set_link(bool up)
{
    link_up_.store(up);
    link_changed();
}

void Nic::lost()
{
    lost_.store(true);
    link_changed();
}

void Nic::link_changed()
{
    apply_listening(*listening_.lock());
    indicate_link();
}

Card::SendPath Nic::send_path() const
{
    return shared_.lock()->path;
}

void Nic::opening(ServedChannel& channel)
{
    if (channel.index() != 0) return;
    auto& control = control_.with(channel);
    control.settings = {};
    control.settings.mac = facts_.mac;
    control.settings.receive_checksum = true; // until the guest says otherwise; it has to ask for all else
    control.answers.clear();
}

void Nic::opened(ChannelQueue& queue, bool again)
{
    if (queue.index() == 0 || open_sub_channels_.fetch_add(1) + 1 != sub_channels_.load()) return;
    backend_->use_channels(sub_channels_.load() + 1);
    if (again) return; // the guest was told
    table_due_.store(true);
    queues_[0]->signalled();
}

void Nic::closing(ServedChannel& channel)
{
    if (channel.index() != 0) {
        open_sub_channels_.fetch_sub(1);
        return;
    }
    auto& control = control_.with(channel);
    listen(false, {});
    control.settings = {};
    control.answers.clear();
    sub_channels_.store(0);
    backend_->use_channels(1);
    table_due_.store(false);
    change_path(channel, {});
}

void Nic::served(ServedChannel& primary)
{
    if (!control_.with(primary).answers.empty()) send_answers(primary);
    if (link_indicated_.load(std::memory_order_relaxed) != link_up()) indicate_link();
    if (!table_due_.load(std::memory_order_relaxed) || !table_due_.exchange(false)) return;

    nvsp::SendIndirectionTable table{};
    table.type = nvsp::Type::SendIndirectionTable;
    table.count = nvsp::send_table_entries;
    table.offset = offsetof(nvsp::SendIndirectionTable, entries);
    auto const channels = sub_channels_.load() + 1;
    for (unsigned i = 0; i < nvsp::send_table_entries; ++i)
        table.entries[i] = i % channels;
    primary.send(hv::abi::PacketType::DataInband, 0, std::as_bytes(std::span{&table, 1}));
}

nvsp::Status Nic::control(ServedChannel& primary, GuestPieces const& message)
{
    auto& control = control_.with(primary);
    auto const buffer = send_path().receive_buffer;
    if (!buffer || message.size() > longest_control_message) return nvsp::Status::Failure;
    if (control.answers.size() >= most_answers) return nvsp::Status::Busy;
    auto const section = buffer->take_for_control();
    if (!section) return nvsp::Status::Busy;

    std::vector<std::byte> request(message.size());
    message.read(0, request.data(), request.size());
    std::vector<std::byte> answer;
    auto const before = control.settings;
    auto const known = network::control(request, facts_, control.settings, readings(), answer);
    auto const size = std::min<std::size_t>(answer.size(), buffer->section_size());
    if (answer.empty()) {
        buffer->give_back({&*section, 1});
    } else {
        buffer->write(*section, 0, answer.data(), size);
    }

    if (control.settings.initialized != before.initialized) {
        auto const shared = shared_.lock();
        shared->rndis_up = control.settings.initialized;
        link_indicated_.store(link_up()); // it asks for that next
    }
    if (control.settings.rss != before.rss || control.settings.receive_offloads() != before.receive_offloads())
        update_receiver(control.settings);
    listen(control.settings.packet_filter != 0, control.settings.receive_offloads());

    if (!answer.empty()) {
        control.answers.push_back({*section, static_cast<std::uint32_t>(size)});
        send_answers(primary);
    }
    return known ? nvsp::Status::Success : nvsp::Status::InvalidRndisPacket;
}

void Nic::send_answers(ServedChannel& primary)
{
    auto& control = control_.with(primary);
    auto const buffer = send_path().receive_buffer;
    while (buffer && !control.answers.empty()) {
        auto const& first = control.answers.front();
        if (send_control(*buffer, first.section, first.size) == Sent::Full) return;
        control.answers.pop_front();
    }
}

TransferSink::Sent Nic::send_control(ReceiveBuffer& buffer, Section section, std::uint32_t size)
{
    hv::abi::TransferPageRange const range{size, buffer.offset(section)};
    return queues_[0]->send_transfer(buffer, nvsp::control_channel, {&section, 1}, {&range, 1});
}

void Nic::indicate_link()
{
    auto const shared = shared_.lock();
    auto const up = link_up();
    auto& buffer = shared->path.receive_buffer;
    if (shared->quiesced || !buffer || !shared->rndis_up || link_indicated_.load() == up) return;
    auto const section = buffer->take_for_control();
    if (!section) return; // `served` comes back to it
    auto const message = link_indication(up);
    buffer->write(*section, 0, message.data(), message.size());
    if (send_control(*buffer, *section, static_cast<std::uint32_t>(message.size())) == Sent::Yes) {
        link_indicated_.store(up);
    } else {
        buffer->give_back({&*section, 1});
    }
}

/// Puts another path in the place of the present one, of which nothing is used any more then.
void Nic::change_path(ServedChannel& primary, SendPath path)
{
    auto& control = control_.with(primary);
    {
        auto const shared = shared_.lock();
        shared->path = path;
        shared->rndis_up = control.settings.initialized && path.receive_buffer;
    }
    primary.change_send_path(path);
    for (auto const& queue : queues_)
        if (queue->index() != 0) queue->set_send_path(path);
    update_receiver(control.settings);
}

void Nic::update_receiver(Settings const& settings)
{
    auto const offloads = settings.receive_offloads();
    bool const spread = sub_channels_.load() > 0 && settings.rss.on;
    receiver_.set({.buffer = send_path().receive_buffer,
                   .max_frame = settings.max_frame,
                   .large = offloads.large4 || offloads.large6,
                   .rss = spread ? std::make_shared<Rss const>(settings.rss) : nullptr});
}

void Nic::listen(bool wanted, net::ReceiveOffloads offloads)
{
    auto const listening = listening_.lock();
    if (offloads != listening->offloads) listening->listens = false; // so that the backend hears of it
    listening->wanted = wanted;
    listening->offloads = offloads;
    apply_listening(*listening);
}

void Nic::apply_listening(Listening& listening)
{
    auto const listen = listening.wanted && link_up();
    if (listen && !listening.listens) backend_->listen(listening.offloads);
    if (!listen) backend_->ignore();
    listening.listens = listen;
}

TransferSink::Sent Nic::send_transfer(std::size_t channel, ReceiveBuffer& buffer, std::span<Section const> sections,
                                      std::span<hv::abi::TransferPageRange const> ranges)
{
    return queues_[channel]->send_transfer(buffer, nvsp::data_channel, sections, ranges);
}

Readings Nic::readings() const
{
    Readings readings;
    readings.link_up = link_up();
    for (auto const& queue : queues_) {
        readings.sent += queue->sent.frames.value();
        readings.sent_bytes += queue->sent.bytes.value();
        readings.send_errors += queue->sent.malformed.value();
    }
    readings.received = received_.frames.value();
    readings.received_bytes = received_.bytes.value();
    readings.receive_dropped = received_.dropped.value() + received_.malformed.value();
    return readings;
}

void Nic::misbehaved(char const* how)
{
    config_.misbehaved(how);
}

void Nic::inspect_card(ServedChannel const& primary, hv::Inspector& inspector) const
{
    auto const& control = control_.with(primary);
    inspector.text("mac", to_string(facts_.mac));
    inspector.flag("link", link_up());
    inspector.number("sub_channels_open", open_sub_channels_.load());
    inspector.number("frames_received", received_.frames.value());
    inspector.number("bytes_received", received_.bytes.value());
    inspector.number("received_frames_dropped", received_.dropped.value() + received_.malformed.value());
    if (auto const buffer = send_path().receive_buffer) {
        inspector.number("receive_sections", buffer->section_count());
        inspector.number("receive_sections_free", buffer->free_sections());
    }
    inspector.flag("send_buffer", send_path().buffer != nullptr);
    inspector.number("control_answers_waiting", control.answers.size());
    inspector.flag("link_indicated", link_indicated_.load());
    {
        hv::InspectedNode const node{inspector, "settings"};
        inspector.number("version", static_cast<std::uint32_t>(control.settings.version));
        show(inspector, control.settings);
    }
    {
        hv::InspectedNode const node{inspector, "receive_scaling"};
        show(inspector, control.settings.rss);
    }
    hv::InspectedNode const node{inspector, backend_->description()};
    backend_->inspect(inspector);
}

} // namespace devices::network
