/// One packet of the guest's on its way to an answer.
#pragma once

#include "devices/block/backend.hpp"
#include "devices/scsi/command.hpp"
#include "devices/vmbus/storage/protocol.hpp"
#include "devices/vmbus/storage/unanswered_packet.hpp"
#include "devices/vmbus/storage/units.hpp"
#include "hv/vmbus/channel.hpp"

#include <memory>
#include <optional>
#include <span>
#include <vector>

namespace devices::storage {

class Transaction final : public block::Request {
  public:
    /// Where a transaction goes that had to wait for a backend.
    class Owner {
      public:
        Owner() = default;
        Owner(Owner const&) = delete;
        Owner& operator=(Owner const&) = delete;
        virtual ~Owner() = default;
        virtual void finished(Transaction& transaction) noexcept = 0; ///< on a thread of the backend
    };

    explicit Transaction(Owner& owner) : owner_{owner} {}

    /// Takes what the packet says; what it lacks is zero. False when it is too short for its version.
    [[nodiscard]] bool take(hv::vmbus::Packet const& packet, Version version);
    /// Lets go of everything but some memory for the next packet, whose bytes take the place of this one's.
    void reset();

    [[nodiscard]] Operation operation_asked() const { return packet_.header.operation; }
    [[nodiscard]] std::uint16_t word() const; ///< the first one behind the header: a version, or a count

    /// Gets a SCSI command ready. False when it has its answer already; otherwise `run` is to be called. `spans` is
    /// room to work in, which transactions share.
    [[nodiscard]] bool prepare(hv::vmbus::Packet const& packet, hv::GuestMemory const& memory, Units const& units,
                               std::vector<hv::vmbus::GuestSpan>& spans);
    /// Host memory that it takes beyond `usual_memory`, in bytes: for a command whose data are scattered widely.
    [[nodiscard]] std::size_t extra_memory() const
    {
        return (buffers.capacity() > spans_kept ? buffers.capacity() * sizeof(iovec) : 0) +
               (asked_.capacity() > packet_kept ? asked_.capacity() : 0);
    }
    static std::size_t const usual_memory;
    /// Does what the command asks of the backend, as far as that goes without waiting. True when the answer is ready.
    /// If not, the owner's `finished` will be called, or has been, and this object is not to be touched until then.
    [[nodiscard]] bool run() noexcept;

    /// The answer to other operations.
    void answer(PacketStatus status);
    void answer(ChannelProperties const& properties);
    [[nodiscard]] std::span<std::byte const> answer_bytes(Version version) const;

    void completed(block::Result result) noexcept override;

    /// Remembers the packet, for a channel that goes elsewhere before this is answered. Until `reset`.
    void remember(hv::vmbus::Packet const& packet);
    [[nodiscard]] UnansweredPacket unanswered() const;

    [[nodiscard]] bool failed() const { return packet_.header.status != PacketStatus::Success; }

    std::uint64_t id = 0; ///< the guest's name for it
    bool wants_answer = false;
    std::size_t charged = 0;                       ///< of `extra_memory`: what the owner's account has given for it
    std::shared_ptr<hv::vmbus::Channel> channel{}; ///< which it came by; keeps the guest's memory
    std::shared_ptr<void> keeps_owner{};           ///< while a backend has it
    std::uint64_t number = 0;                      ///< of the owner's commands, in their order
    std::size_t place = 0;                         ///< in the owner's list, while a backend has it
    std::unique_ptr<Transaction> next{};           ///< in a list of the owner's

  private:
    /// Lists of memory and of extents that are kept for the next command; longer ones are given back.
    static constexpr std::size_t spans_kept = 64;
    /// The same for the bytes of its packet.
    static constexpr std::size_t packet_kept = 1024;

    [[nodiscard]] bool next_piece();
    void finish(scsi::Answer const& answer);
    void refuse(std::uint8_t srb_status, PacketStatus status);
    void answer_without_unit(std::span<std::uint8_t const> cdb, scsi::DataBuffer const& data, Units const& units);
    void name_memory(std::span<hv::vmbus::GuestSpan const> spans);

    struct {
        PacketHeader header{};
        ScsiRequest request{};
    } packet_;
    static_assert(sizeof packet_ == largest_packet);

    Owner& owner_;
    std::vector<std::byte> asked_{}; ///< the packet: its header, and its payload behind that
    std::size_t asked_header_ = 0;
    std::shared_ptr<Disk> disk_{};
    scsi::Work work_{};
    std::size_t next_extent_ = 0;
    std::uint8_t sense_size_ = 0; ///< the most that the answer has room for
};

} // namespace devices::storage
