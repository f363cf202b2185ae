/// A guest's storage driver, for unit tests: what it sends over a channel, and what it makes of the answers.
#pragma once

#include "devices/scsi/testing/initiator.hpp"
#include "devices/vmbus/storage/protocol.hpp"
#include "devices/vmbus/storage/storage_channel.hpp"
#include "hv/testing/vmbus_guest.hpp"

#include <cstring>
#include <map>
#include <memory>
#include <optional>
#include <vector>

namespace devices::storage::testing {

/// A bus that keeps what is offered.
class OfferedDevices final : public hv::vmbus::Bus {
  public:
    void offer(hv::vmbus::OfferSpec const& spec, std::shared_ptr<hv::vmbus::ChannelDevice> device) override
    {
        specs.push_back(spec);
        devices.push_back(std::move(device));
    }
    void withdraw(hv::vmbus::Guid const&) override
    {
        specs.clear();
        devices.clear();
    }

    hv::vmbus::Runner& runner() override { return executor; }

    hv::testing::CrankedExecutor executor;
    std::vector<hv::vmbus::OfferSpec> specs;
    std::vector<std::shared_ptr<hv::vmbus::ChannelDevice>> devices;
};

struct Answer {
    std::uint64_t id = 0;
    std::size_t size = 0; ///< of the payload
    PacketHeader header{};
    ScsiRequest request{};
};

/// The packet as the guest sends it: 64 bytes, or what the version has.
struct SentPacket {
    PacketHeader header{};
    ScsiRequest request{};
};
static_assert(sizeof(SentPacket) == largest_packet);

class StorageGuest {
  public:
    explicit StorageGuest(std::shared_ptr<hv::vmbus::ChannelDevice> device)
        : channel{std::make_shared<hv::testing::TestChannel>(pages)}, device_{std::move(device)}
    {
        device_->open(channel);
    }

    /// Another device has the channel.
    void go_on_with(std::shared_ptr<hv::vmbus::ChannelDevice> device) { device_ = std::move(device); }

    static constexpr std::size_t pages = 64; ///< of memory for data

    void send(SentPacket const& packet, std::uint64_t id, std::size_t size = sizeof(SentPacket))
    {
        (void)channel->to_host().write({hv::abi::PacketType::DataInband, 0, 0, 1, id}, {},
                                       std::as_bytes(std::span{&packet, 1}).first(size));
        device_->signalled();
    }
    void send_operation(Operation operation, std::uint16_t word = 0, std::uint64_t id = 1)
    {
        SentPacket packet{};
        packet.header.operation = operation;
        std::memcpy(&packet.request, &word, sizeof word);
        send(packet, id);
    }
    /// Sends it and takes the answer.
    [[nodiscard]] Answer operate(Operation operation, std::uint16_t word = 0)
    {
        send_operation(operation, word);
        return require_answer();
    }

    /// The whole initialisation, as Linux does it.
    void initialise(Version version = Version::Windows10)
    {
        (void)operate(Operation::BeginInitialization);
        (void)operate(Operation::QueryProtocolVersion, static_cast<std::uint16_t>(version));
        (void)operate(Operation::QueryProperties);
        (void)operate(Operation::EndInitialization);
    }

    /// A SCSI command over pages of the guest's memory, from the first one.
    static SentPacket command(scsi::testing::Cdb const& cdb, std::uint32_t size, bool in, std::uint8_t lun = 0)
    {
        SentPacket packet{};
        packet.header = {Operation::ExecuteSrb, 1, PacketStatus::Success};
        packet.request.length = sizeof(ScsiRequest);
        packet.request.lun = lun;
        packet.request.cdb_length = 16;
        packet.request.sense_length = 20;
        packet.request.data_in = size == 0 ? 2 : in ? data_comes_in : data_goes_out;
        packet.request.data_transfer_length = size;
        std::copy(cdb.begin(), cdb.end(), packet.request.cdb_or_sense);
        return packet;
    }
    void send_command(SentPacket const& packet, std::uint64_t id)
    {
        auto const size = packet.request.data_transfer_length;
        if (size == 0) return send(packet, id);
        std::vector<std::uint64_t> numbers;
        for (std::uint32_t n = 0; n * 4096 < size; ++n)
            numbers.push_back(hv::testing::TestChannel::free_page(n));
        send_direct(packet, hv::testing::gpa_direct_header(size, 0, numbers), id);
    }
    void send_direct(SentPacket const& packet, std::vector<std::byte> const& header, std::uint64_t id)
    {
        (void)channel->to_host().write({hv::abi::PacketType::DataUsingGpaDirect, 0, 0, 1, id}, header,
                                       std::as_bytes(std::span{&packet, 1}));
        device_->signalled();
    }
    [[nodiscard]] Answer execute(scsi::testing::Cdb const& cdb, std::uint32_t size, bool in, std::uint8_t lun = 0)
    {
        send_command(command(cdb, size, in, lun), 7);
        return require_answer();
    }

    [[nodiscard]] std::optional<Answer> answer()
    {
        auto const packet = channel->to_guest().take();
        if (!packet) return std::nullopt;
        Answer out;
        out.id = packet->descriptor.transaction;
        out.size = packet->payload.size();
        std::memcpy(&out.header, packet->payload.data(), sizeof out.header);
        std::memcpy(&out.request, packet->payload.data() + sizeof out.header,
                    std::min(sizeof out.request, out.size - sizeof out.header));
        return out;
    }
    [[nodiscard]] Answer require_answer()
    {
        auto out = answer();
        if (!out) throw std::runtime_error{"the device has not answered"};
        return *out;
    }

    [[nodiscard]] std::byte* data(std::size_t page = 0) const
    {
        return channel->page(hv::testing::TestChannel::free_page(page));
    }

    std::shared_ptr<hv::testing::TestChannel> const channel;

  private:
    std::shared_ptr<hv::vmbus::ChannelDevice> device_;
};

} // namespace devices::storage::testing
