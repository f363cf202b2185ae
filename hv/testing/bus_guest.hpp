/// A guest that sets up channels by messages, and a device that remembers what its bus does with it.
#pragma once

#include "hv/testing/catch.hpp"
#include "hv/testing/vmbus_guest.hpp"
#include "hv/vmbus/server.hpp"

#include <array>
#include <cstring>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace hv::testing {

using Type = abi::ChannelMessageType;
using vmbus::Channel;
using vmbus::ChannelDevice;
using vmbus::guid;
using vmbus::Server;

inline constexpr auto interface_a = guid("ba6163d9-04a1-4d29-b605-72e2ffb1dc7f");
inline constexpr auto instance_a = guid("00000001-0000-8899-0000-000000000000");
inline constexpr auto instance_b = guid("00000002-0000-8899-0000-000000000000");

/// Keeps the channel until a test says that its work is done, if `lingers`.
struct RecordingDevice final : ChannelDevice {
    std::shared_ptr<Channel> channel;
    unsigned opens = 0;
    unsigned closes = 0;
    unsigned signals = 0;
    unsigned resumes = 0;
    StillBusy busy{}; ///< while it is quiesced
    bool lingers = false;
    bool at_rest = false;
    bool opened_at_rest = false;                                  ///< the last time
    std::vector<std::shared_ptr<RecordingDevice>> sub_channels{}; ///< that it has for a guest
    std::optional<vmbus::GpadlId> gpadl{};                        ///< which it uses, once it is restored
    std::shared_ptr<vmbus::Gpadl const> used{};

    void open(std::shared_ptr<Channel> opened) override
    {
        ++opens;
        opened_at_rest = at_rest;
        channel = std::move(opened);
    }
    void signalled() override { ++signals; }
    void close() override
    {
        ++closes;
        if (!lingers) channel.reset();
    }
    void quiesce(StillBusy busy_until) override
    {
        busy = std::move(busy_until);
        at_rest = true;
    }
    void resume() override
    {
        busy.reset();
        at_rest = false;
        ++resumes;
    }
    void inspect(Inspector& inspector) const override { inspector.number("signals", signals); }
    void visit(StateVisitor& visitor) override
    {
        std::uint64_t count = signals;
        visitor.number("signals", count);
        if (!visitor.restores()) return;
        signals = static_cast<unsigned>(count);
        if (channel && gpadl) used = channel->gpadl(*gpadl);
    }
    [[nodiscard]] std::shared_ptr<ChannelDevice> sub_channel(std::uint16_t n) override
    {
        return n >= 1 && n <= sub_channels.size() ? sub_channels[n - 1U] : nullptr;
    }
};

/// A guest with a bus, on which it says what a test wants.
struct BusGuest {
    explicit BusGuest(std::uint64_t pool = std::uint64_t{64} << 20)
        : guest{registry, Rights::ordinary(), 2, PartitionRegistry::root_id, pool}
    {
        start_synic(guest, 0);
        start_synic(guest, 1);
        bus.emplace(guest.partition, executor, [this](auto text) { reports.emplace_back(text); });
    }

    /// Everything that the host has said since the last time, by payload.
    std::vector<std::vector<std::byte>> hear()
    {
        std::vector<std::vector<std::byte>> out;
        executor->crank();
        while (auto const message = slot.take()) {
            auto const* const bytes = reinterpret_cast<std::byte const*>(message->payload.data());
            out.emplace_back(bytes, bytes + message->header.payload_size);
            executor->crank();
        }
        return out;
    }
    template <typename T>
    std::vector<T> hear(Type type)
    {
        std::vector<T> out;
        for (auto const& bytes : hear()) {
            abi::ChannelMessageHeader header{};
            std::memcpy(&header, bytes.data(), sizeof header);
            if (header.type != type) continue;
            REQUIRE(bytes.size() == sizeof(T));
            std::memcpy(&out.emplace_back(), bytes.data(), sizeof(T));
        }
        return out;
    }
    /// The one answer of that kind.
    template <typename T>
    T answer(Type type)
    {
        auto const all = hear<T>(type);
        REQUIRE(all.size() == 1);
        return all.front();
    }

    template <typename T>
    Status say(T const& message, std::uint32_t connection = 4)
    {
        auto input = message_input(connection, 0, sizeof message);
        std::memcpy(input.payload.data(), &message, sizeof message);
        return call(guest, abi::CallCode::PostMessage, input);
    }
    Status say_bytes(std::vector<std::byte> const& message)
    {
        auto input = message_input(4, 0, static_cast<std::uint32_t>(message.size()));
        if (!message.empty()) std::memcpy(input.payload.data(), message.data(), message.size());
        return call(guest, abi::CallCode::PostMessage, input);
    }

    abi::VersionResponse contact(abi::VmbusVersion version = abi::VmbusVersion::V5_3, std::uint32_t vp = 0)
    {
        abi::InitiateContact message{};
        message.header.type = Type::InitiateContact;
        message.version = version;
        message.target_vp = vp;
        if (version >= abi::VmbusVersion::V5_0) message.sint = 2;
        CHECK(say(message, version >= abi::VmbusVersion::V5_0 ? 4 : 1) == Status::Success);
        return answer<abi::VersionResponse>(Type::VersionResponse);
    }
    std::vector<abi::OfferChannel> offers()
    {
        CHECK(say(abi::ChannelMessageHeader{Type::RequestOffers, 0}) == Status::Success);
        return hear<abi::OfferChannel>(Type::OfferChannel);
    }
    /// A GPADL of pages of the guest, in one message.
    std::uint32_t share(std::uint32_t channel, std::uint32_t id, std::vector<std::uint64_t> const& pages)
    {
        say_bytes(gpadl_message(channel, id, pages.size(), pages));
        return answer<abi::GpadlCreated>(Type::GpadlCreated).status;
    }
    static std::vector<std::byte> gpadl_message(std::uint32_t channel, std::uint32_t id, std::size_t count,
                                                std::vector<std::uint64_t> const& pages)
    {
        abi::GpadlHeader const header{{Type::GpadlHeader, 0},
                                      channel,
                                      id,
                                      static_cast<std::uint16_t>(8 + 8 * count),
                                      1,
                                      static_cast<std::uint32_t>(count * page_size),
                                      0};
        std::vector<std::byte> message(sizeof header + pages.size() * 8);
        std::memcpy(message.data(), &header, sizeof header);
        std::memcpy(message.data() + sizeof header, pages.data(), pages.size() * 8);
        return message;
    }
    std::uint32_t open(std::uint32_t channel, std::uint32_t gpadl = 1, std::uint32_t vp = 1,
                       std::uint32_t downstream = 4)
    {
        abi::OpenChannel message{};
        message.header.type = Type::OpenChannel;
        message.channel = channel;
        message.open_id = 99;
        message.ring_gpadl = gpadl;
        message.target_vp = vp;
        message.downstream_page = downstream;
        message.user_data[0] = std::byte{42};
        say(message);
        auto const result = answer<abi::OpenChannelResult>(Type::OpenChannelResult);
        CHECK(result.channel == channel);
        CHECK(result.open_id == 99);
        return result.status;
    }
    void close(std::uint32_t channel) { say(abi::ChannelMessage{{Type::CloseChannel, 0}, channel}); }

    /// Up to an open channel 1 of one device.
    void open_one()
    {
        bus->offer({.interface = interface_a, .instance = instance_a}, device);
        contact();
        REQUIRE(offers().size() == 1);
        REQUIRE(share(1, 1, ring_pages) == 0);
        REQUIRE(open(1) == 0);
    }
    [[nodiscard]] bool flag_set(std::uint32_t channel, unsigned vp)
    {
        auto* const flags = guest.ram.get() + place::event_page + vp * place::per_vp + 2 * 256;
        auto const mask = static_cast<std::byte>(1U << channel % 8);
        bool const set = (flags[channel / 8] & mask) != std::byte{0};
        flags[channel / 8] &= ~mask;
        return set;
    }

    static inline std::vector<std::uint64_t> const ring_pages{16, 17, 18, 19, 20, 21, 22, 23};

    PartitionRegistry registry;
    TestGuest guest;
    std::shared_ptr<CrankedExecutor> executor = std::make_shared<CrankedExecutor>();
    std::shared_ptr<RecordingDevice> device = std::make_shared<RecordingDevice>();
    std::vector<std::string> reports; ///< that the bus has for the log
    std::optional<Server> bus;
    GuestSlot slot{guest, abi::vmbus_sint};
};

} // namespace hv::testing
