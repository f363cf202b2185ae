#include "hv/vmbus/server_core.hpp"

#include "hv/partition/communication.hpp"
#include "hv/partition/registry.hpp"
#include "hv/vmbus/root_ids.hpp"

#include <algorithm>
#include <array>
#include <cstring>
#include <stdexcept>
#include <utility>

namespace hv::vmbus {

namespace {

/// The structure at the start of a message, if that is long enough.
template <typename T>
std::optional<T> as(std::span<std::byte const> message)
{
    T out;
    if (message.size() < sizeof out) return std::nullopt;
    std::memcpy(&out, message.data(), sizeof out);
    return out;
}

} // namespace

std::shared_ptr<Server::Core> Server::Core::make(std::shared_ptr<Partition> guest, std::shared_ptr<Executor> executor,
                                                 Report report)
{
    auto core = std::make_shared<Core>(std::move(guest), std::move(executor), std::move(report));
    core->listen();
    return core;
}

Server::Core::Core(std::shared_ptr<Partition> guest, std::shared_ptr<Executor> executor, Report report)
    : guest_{std::move(guest)},
      executor_{std::move(executor)},
      report_{std::move(report)},
      shared_{std::make_shared<OpenChannel::Shared>(guest_)}
{}

Server::Core::~Core()
{
    unlisten();
}

void Server::Core::listen()
{
    inbox_ = std::make_shared<Inbox>([weak = weak_from_this()] {
        if (auto const self = weak.lock()) self->read_inbox_soon();
    });
    outbox_.emplace(guest_, tasks(), [this] { read_inbox(); });
    auto& root = guest_->registry().root();
    for (auto const connection : abi::vmbus_connections) {
        auto const port = create_root_port(
            root, {.type = abi::PortType::Message, .connection_partition = guest_->id(), .handler = inbox_});
        auto status = Status::InsufficientMemory;
        if (port) {
            ports_.push_back(*port);
            status = communication::connect(*guest_, connection, root, *port, abi::PortType::Message);
        }
        if (status != Status::Success)
            throw std::runtime_error{"the guest's memory pool is too small for VMBus: give it more"};
    }
}

void Server::Core::unlisten()
{
    for (auto const port : ports_)
        (void)communication::delete_port(guest_->registry().root(), port);
    ports_.clear();
}

void Server::Core::shut_down()
{
    unlisten();
    channels_.clear(); // closes those that are open
    shared_->gpadls.clear();
    listener_.reset();
}

/// Whatever the guest posts meanwhile, one task at most is on its way.
void Server::Core::read_inbox_soon()
{
    if (reading_due_.exchange(true)) return;
    tasks().run([this] {
        reading_due_ = false;
        read_inbox();
    });
}

void Server::Core::read_inbox()
{
    for (std::size_t i = 0; i < Inbox::capacity; ++i) {
        if (outbox_->waiting() >= answers_waiting || after_reset_ != AfterReset::Nothing)
            return; // goes on when these are gone
        auto const message = inbox_->take();
        if (!message) return;
        handle(message->bytes());
    }
    read_inbox_soon(); // others use the executor's thread as well
}

void Server::Core::handle(std::span<std::byte const> message)
{
    using Type = abi::ChannelMessageType;

    auto const head = as<abi::ChannelMessageHeader>(message);
    if (!head) return;
    auto const give = [message]<typename T>(Core& core, void (Core::*take)(T const&)) {
        if (auto const whole = as<T>(message)) (core.*take)(*whole);
    };
    if (head->type == Type::InitiateContact) return give(*this, &Core::initiate_contact);
    if (head->type == Type::Unload) return unload();
    if (!version_) return;
    switch (head->type) {
    case Type::RequestOffers: return request_offers();
    case Type::OpenChannel: return give(*this, &Core::open_channel);
    case Type::CloseChannel: return give(*this, &Core::close_channel);
    case Type::RelIdReleased: return give(*this, &Core::release_channel);
    case Type::ModifyChannel: return give(*this, &Core::modify_channel);
    case Type::GpadlTeardown: return give(*this, &Core::tear_down_gpadl);
    case Type::TlConnectRequest: return give(*this, &Core::connect_socket);
    case Type::GpadlHeader:
        if (auto const whole = as<abi::GpadlHeader>(message))
            begin_gpadl(*whole, message.subspan(sizeof(abi::GpadlHeader)));
        return;
    case Type::GpadlBody:
        if (auto const whole = as<abi::GpadlBody>(message))
            continue_gpadl(*whole, message.subspan(sizeof(abi::GpadlBody)));
        return;
    default: return; // what only a host sends, and what no version has
    }
}

/// Whoever asks begins anew: a driver that was loaded again, or a kernel that another one has started.
void Server::Core::initiate_contact(abi::InitiateContact const& message)
{
    reset(AfterReset::Version, {message.version, message.target_vp, message.sint});
}

void Server::Core::answer_version(Contact const& contact)
{
    bool const supported = is_known(contact.version);
    bool const names_sint = contact.version >= abi::VmbusVersion::V5_0 && supported;
    Sint const sint{names_sint ? contact.sint : abi::vmbus_sint.value};
    if (sint.value >= sint_count || !outbox_->address(VpIndex{contact.target_vp}, sint)) return;
    abi::VersionResponse response{};
    response.header = header(abi::ChannelMessageType::VersionResponse);
    response.supported = supported ? 1 : 0;
    if (supported) {
        version_ = contact.version;
        if (*version_ >= abi::VmbusVersion::V5_0) response.connection = abi::vmbus_connections.back().value;
    }
    outbox_->send(response);
}

void Server::Core::request_offers()
{
    offers_requested_ = true;
    for (auto const& [id, channel] : channels_) {
        if (!channel->offered) show(*channel);
    }
    outbox_->send(header(abi::ChannelMessageType::AllOffersDelivered));
}

void Server::Core::show(OfferedChannel& channel)
{
    channel.offered = true;
    outbox_->send(channel.message());
}

void Server::Core::begin_gpadl(abi::GpadlHeader const& message, std::span<std::byte const> page_numbers)
{
    auto const progress =
        find(message.channel) ? shared_->gpadls.begin(message, page_numbers) : GpadlTable::Progress::Refused;
    report_gpadl(ChannelId{message.channel}, GpadlId{message.gpadl}, progress);
}

void Server::Core::continue_gpadl(abi::GpadlBody const& message, std::span<std::byte const> page_numbers)
{
    ChannelId channel;
    auto const progress = shared_->gpadls.go_on(GpadlId{message.gpadl}, page_numbers, channel);
    report_gpadl(channel, GpadlId{message.gpadl}, progress);
}

void Server::Core::report_gpadl(ChannelId channel, GpadlId id, GpadlTable::Progress progress)
{
    if (progress == GpadlTable::Progress::More) return;
    outbox_->send(
        abi::GpadlCreated{header(abi::ChannelMessageType::GpadlCreated), channel.value, id.value,
                          progress == GpadlTable::Progress::Complete ? ntstatus::success : ntstatus::unsuccessful});
}

void Server::Core::tear_down(GpadlId id)
{
    shared_->gpadls.tear_down(id, [tasks = tasks(), this, id, generation = generation_] {
        tasks.run([this, id, generation] {
            if (generation == generation_) report_torn_down(id);
        });
    });
}

void Server::Core::report_torn_down(GpadlId id)
{
    shared_->gpadls.told(id);
    outbox_->send(abi::GpadlTorndown{header(abi::ChannelMessageType::GpadlTorndown), id.value});
}

void Server::Core::connect_socket(abi::TlConnectRequest const& message)
{
    // The endpoint would be the instance of a channel, and taking that back would take back another's.
    bool const taken = std::ranges::any_of(
        channels_, [&message](auto const& item) { return item.second->spec().instance == message.endpoint; });
    if (!listener_ || taken || socket_requests_.size() == BusState::most_socket_requests)
        return say_refused(message.endpoint, message.service);
    socket_requests_.push_back({message.endpoint.bytes, message.service.bytes});
    listener_->connect_requested(message.endpoint, message.service);
}

void Server::Core::refuse_socket(Guid const& endpoint, Guid const& service)
{
    socket_answered(endpoint);
    say_refused(endpoint, service);
}

void Server::Core::socket_answered(Guid const& endpoint)
{
    auto const found = std::ranges::find(socket_requests_, endpoint.bytes, &SocketRequest::endpoint);
    if (found != socket_requests_.end()) socket_requests_.erase(found);
}

void Server::Core::say_refused(Guid const& endpoint, Guid const& service)
{
    if (!version_) return;
    outbox_->send(abi::TlConnectResult{header(abi::ChannelMessageType::TlConnectResult), endpoint, service,
                                       ntstatus::connection_refused});
}

void Server::Core::unload()
{
    reset(AfterReset::Unloaded, {});
}

void Server::Core::reset(AfterReset then, Contact const& contact)
{
    ++generation_;
    version_.reset();
    offers_requested_ = false;
    for (auto at = channels_.begin(); at != channels_.end();) {
        auto& channel = *at->second;
        channel.close();
        channel.offered = false;
        at = channel.primary() ? std::next(at) : channels_.erase(at);
    }
    unreleased_.clear();
    socket_requests_.clear();
    shared_->gpadls.clear();
    after_reset_ = then;
    contact_ = contact;
    if (open_channels_ == 0) answer_reset();
}

void Server::Core::answer_reset()
{
    switch (std::exchange(after_reset_, AfterReset::Nothing)) {
    case AfterReset::Version: return answer_version(contact_);
    case AfterReset::Unloaded: return outbox_->send(header(abi::ChannelMessageType::UnloadResponse));
    case AfterReset::Nothing: return;
    }
}

OfferedChannel* Server::Core::find(std::uint32_t channel)
{
    auto const found = channels_.find(ChannelId{channel});
    if (found == channels_.end() || !found->second->offered) return nullptr;
    return found->second.get();
}

void Server::Core::inspect(Inspector& inspector) const
{
    InspectedNode const bus{inspector, "vmbus"};
    inspector.number("version", version_ ? static_cast<std::uint32_t>(*version_) : 0);
    inspector.flag("offers_requested", offers_requested_);
    inspector.number("gpadls", shared_->gpadls.size());
    inspector.number("gpadls_unfinished", shared_->gpadls.unfinished());
    inspector.number("messages_waiting", inbox_->size());
    inspector.number("answers_waiting", outbox_->waiting());
    inspector.number("unreleased_channels", unreleased_.size());
    for (auto const& [id, channel] : channels_) {
        InspectedNode const node{inspector, "channel " + std::to_string(id.value)};
        channel->inspect(inspector);
    }
}

} // namespace hv::vmbus
