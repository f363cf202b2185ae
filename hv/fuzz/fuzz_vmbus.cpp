/// One guest of two VPs with a VMBus: it says anything to its host, in any order, lies in its rings, and never reads.
/// The devices behind the channels take packets, answer them, look for GPADLs, and let go of a channel late.
///
/// The input is a list of steps. A step's first byte says what (bits 2:0); the rest of it is `n`. Numbers called
/// "value" are Input::value's:
///   0  a channel message of raw bytes: its type, a length, and the bytes
///   1  a message of a known kind, n modulo 8 (`say_known`), with values for its fields
///   2  the executor runs: n tasks, 0 for all; then n × 8 ms pass
///   3  the guest takes n modulo 4 + 1 messages out of VP 0's slot
///   4  a write to memory: page, 2 bytes for the offset in it, length, and the bytes
///   5  memory will change: after so many loads (1 byte), by XOR with a value, so often (1 byte, modulo 8)
///   6  device n modulo 3 serves its ring: takes what is there, answers each packet, publishes
///   7  n: 0 to 2 offers that device once more, 3 to 5 withdraws it, 6 to 8 lets it keep its channels on closing, 9
///   to 11
///      has it let go, 12 to 14 has it look for the GPADL that a value names and keep it, 15 on a signal to a channel
#include "hv/fuzz/changing_memory.hpp"
#include "hv/fuzz/input.hpp"
#include "hv/fuzz/play.hpp"
#include "hv/fuzz/pool_account.hpp"
#include "hv/testing/vmbus_guest.hpp"
#include "hv/vmbus/inbox.hpp"
#include "hv/vmbus/packet.hpp"
#include "hv/vmbus/server.hpp"

#include <array>
#include <optional>
#include <vector>

using namespace hv;
using namespace hv::testing;
using Type = abi::ChannelMessageType;

namespace {

constexpr unsigned devices = 3;
constexpr std::uint64_t pool = 2 << 20;
constexpr std::size_t most_offers = 200;

vmbus::Guid instance(unsigned device)
{
    vmbus::Guid guid{};
    guid.bytes[0] = static_cast<std::uint8_t>(device + 1);
    return guid;
}

class Device final : public vmbus::ChannelDevice {
  public:
    void open(std::shared_ptr<vmbus::Channel> channel) override
    {
        fuzz::require(channel != nullptr, "an open channel is there");
        ++open_;
        channels_.push_back(std::move(channel));
    }
    void signalled() override { ++signals; }
    void close() override
    {
        fuzz::require(open_ > 0, "only an open channel is closed");
        --open_;
        if (!lingers) let_go();
    }
    void quiesce(StillBusy) override {}
    void resume() override {}
    void visit(StateVisitor&) override {}

    void serve(GuestMemory const& memory)
    {
        std::vector<vmbus::GuestSpan> spans;
        for (auto const& channel : channels_) {
            vmbus::Packet packet;
            while (channel->incoming().next(packet) == vmbus::IncomingRing::Next::Taken) {
                taken_.assign(packet.payload.begin(), packet.payload.end());
                if (vmbus::gpa_direct(packet, memory, 1 << 20, spans)) touch(spans);
                if (!channel->outgoing().complete(packet.transaction(), taken_)) break;
            }
            channel->publish();
        }
    }
    void look_for(vmbus::GpadlId id)
    {
        for (auto const& channel : channels_) {
            auto gpadl = channel->gpadl(id);
            if (!gpadl) continue;
            std::byte byte{};
            gpadl->read(gpadl->size() - 1, &byte, 1);
            gpadl->write(0, &byte, 1);
            if (gpadls_.size() < 16) gpadls_.push_back(std::move(gpadl));
        }
    }
    void let_go()
    {
        if (open_ == 0) channels_.clear();
        gpadls_.clear();
    }
    [[nodiscard]] bool open() const { return open_ > 0; }

    bool lingers = false;
    std::uint64_t signals = 0;

  private:
    static void touch(std::vector<vmbus::GuestSpan> const& spans)
    {
        for (auto const span : spans) {
            span.front() = std::byte{1};
            span.back() = std::byte{2};
        }
    }

    unsigned open_ = 0;
    std::vector<std::shared_ptr<vmbus::Channel>> channels_;
    std::vector<std::shared_ptr<vmbus::Gpadl const>> gpadls_;
    std::vector<std::byte> taken_;
};

class World {
  public:
    World() : guest_{registry_, Rights::ordinary(), 2, PartitionRegistry::root_id, pool}
    {
        memory_.watch({guest_.ram.get(), TestGuest::pages * page_size});
        start_synic(guest_, 0);
        start_synic(guest_, 1);
        bus_.emplace(guest_.partition, executor_);
        for (unsigned i = 0; i < devices; ++i) {
            device_[i] = std::make_shared<Device>();
            offer(i);
        }
    }

    void step(fuzz::Input& input)
    {
        auto const first = input.byte();
        unsigned const n = first >> 3;
        switch (first & 7) {
        case 0: {
            auto const bytes = std::as_bytes(input.counted_bytes());
            post(bytes.first(std::min<std::size_t>(bytes.size(), abi::max_payload)));
            break;
        }
        case 1: say_known(n % 8, input); break;
        case 2: executor_->advance(std::chrono::milliseconds{8 * n}); break;
        case 3:
            for (unsigned i = 0; i <= n % 4; ++i)
                (void)slot_.take();
            break;
        case 4: {
            auto const page = input.below(TestGuest::pages);
            auto const offset = input.take<std::uint16_t>() % page_size;
            auto const bytes = input.bytes(std::min(input.value(), page_size - offset));
            std::ranges::copy(std::as_bytes(bytes), guest_.ram.get() + page * page_size + offset);
            break;
        }
        case 5: memory_.change_after(input); break;
        case 6: device_[n % devices]->serve(guest_.memory); break;
        default: act(n, input); break;
        }
    }

    void end()
    {
        memory_.change_after(0, 0, 0);
        executor_->advance(std::chrono::seconds{10});
        bus_->shut_down();
        for (auto const& device : device_) {
            fuzz::require(!device->open(), "every channel is closed in the end");
            device->let_go();
        }
        bus_.reset();
        registry_.remove(*guest_.partition);
        fuzz::require(fuzz::only_nodes_charged(*guest_.partition, pool), "a pool has again what it had");
        registry_.root().ports().for_each(
            [](std::uint32_t, std::uint64_t) { fuzz::require(false, "a bus leaves no port in the root"); });
        registry_.root().connections().for_each(
            [](std::uint32_t, std::uint64_t) { fuzz::require(false, "a bus leaves no connection in the root"); });
    }

  private:
    void offer(unsigned device, std::uint16_t sub_channel = 0)
    {
        if (++offers_ > most_offers) return;
        bus_->offer({.interface = instance(9), .instance = instance(device), .sub_channel = sub_channel},
                    device_[device]);
    }

    void post(std::span<std::byte const> message)
    {
        auto input = message_input(4, 0, static_cast<std::uint32_t>(message.size()));
        std::ranges::copy(message, std::as_writable_bytes(std::span{input.payload}).begin());
        (void)call(guest_, abi::CallCode::PostMessage, input);
    }
    template <typename T>
    void say(T const& message)
    {
        post(std::as_bytes(std::span{&message, 1}));
    }

    void say_known(unsigned kind, fuzz::Input& input)
    {
        auto const word = [&] { return static_cast<std::uint32_t>(input.value()); };
        switch (kind) {
        case 0: {
            abi::InitiateContact message{};
            message.header.type = Type::InitiateContact;
            message.version = abi::VmbusVersion{0x0005'0003 ^ word()};
            message.target_vp = word();
            message.sint = static_cast<std::uint8_t>(2 ^ word());
            return say(message);
        }
        case 1: return say(abi::ChannelMessageHeader{Type::RequestOffers, 0});
        case 2: {
            std::array const fields{word(), word(), word(), word()};
            return say_gpadl(fields[0], fields[1], fields[2], fields[3], input);
        }
        case 3: {
            abi::OpenChannel message{};
            message.header.type = Type::OpenChannel;
            message.channel = word();
            message.ring_gpadl = word();
            message.target_vp = word();
            message.downstream_page = word();
            return say(message);
        }
        case 4: return say(abi::ChannelMessage{{Type::CloseChannel, 0}, word()});
        case 5: return say(abi::GpadlTeardown{{Type::GpadlTeardown, 0}, word(), word()});
        case 6: return say(abi::ModifyChannel{{Type::ModifyChannel, 0}, word(), word()});
        default: return say(abi::ChannelMessage{{Type::RelIdReleased, 0}, word()});
        }
    }

    /// Consistent with itself but for what `spoil` changes.
    void say_gpadl(std::uint32_t channel, std::uint32_t id, std::uint32_t first, std::uint32_t spoil,
                   fuzz::Input& input)
    {
        std::uint32_t const count = input.below(24) + 1;
        abi::GpadlHeader const header{{Type::GpadlHeader, 0},
                                      channel,
                                      id,
                                      static_cast<std::uint16_t>((8 + 8 * count) ^ spoil >> 16),
                                      1,
                                      static_cast<std::uint32_t>(count * page_size) ^ (spoil & 0xFFFF),
                                      0};
        std::vector<std::byte> message(sizeof header + count * 8);
        std::memcpy(message.data(), &header, sizeof header);
        for (std::uint64_t i = 0; i < count; ++i) {
            auto const page = first + i;
            std::memcpy(message.data() + sizeof header + i * 8, &page, sizeof page);
        }
        post(message);
    }

    void act(unsigned n, fuzz::Input& input)
    {
        auto& device = *device_[n % devices];
        switch (n / devices) {
        case 0: return offer(n % devices, static_cast<std::uint16_t>(input.below(3)));
        case 1: return bus_->withdraw(instance(n % devices));
        case 2: device.lingers = true; return;
        case 3: device.lingers = false; return device.let_go();
        case 4: return device.look_for(vmbus::GpadlId{static_cast<std::uint32_t>(input.value())});
        default:
            (void)fast_call(guest_, abi::CallCode::SignalEvent,
                            0x00F0'0000U + static_cast<std::uint32_t>(input.value()));
            return;
        }
    }

    fuzz::ChangingMemory memory_;
    PartitionRegistry registry_;
    TestGuest guest_;
    std::shared_ptr<CrankedExecutor> executor_ = std::make_shared<CrankedExecutor>();
    std::array<std::shared_ptr<Device>, devices> device_;
    std::optional<vmbus::Server> bus_;
    GuestSlot slot_{guest_, abi::vmbus_sint};
    std::size_t offers_ = 0;
};

} // namespace

extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* data, std::size_t size);

extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* data, std::size_t size)
{
    fuzz::Input input{{data, size}};
    World world;
    return fuzz::play(world, input);
}
