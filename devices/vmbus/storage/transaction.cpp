#include "devices/vmbus/storage/transaction.hpp"

#include "devices/base/guarded_thread.hpp"

#include <algorithm>
#include <cstring>
#include <utility>

namespace devices::storage {

namespace {

scsi::Direction direction_of(std::uint8_t data_in)
{
    switch (data_in) {
    case data_goes_out: return scsi::Direction::ToDevice;
    case data_comes_in: return scsi::Direction::FromDevice;
    default: return scsi::Direction::None;
    }
}

} // namespace

bool Transaction::take(hv::vmbus::Packet const& packet, Version version)
{
    id = packet.transaction();
    wants_answer = packet.wants_completion();
    auto const size = std::min(packet.payload.size(), sizeof packet_);
    if (!packet.read(packet_)) {
        packet_ = {};
        std::memcpy(&packet_, packet.payload.data(), size);
    }
    if (version < Version::Windows8 && version != Version::None && size > packet_size(version)) {
        // What lies there is padding.
        std::memset(reinterpret_cast<std::byte*>(&packet_) + packet_size(version), 0, size - packet_size(version));
    }
    sense_size_ = static_cast<std::uint8_t>(version < Version::Windows8 ? windows7_sense_size
                                                                        : sizeof packet_.request.cdb_or_sense);
    // Before there is a version, a guest may send packets of any.
    return size >= (version == Version::None ? sizeof(PacketHeader) : packet_size(version));
}

void Transaction::reset()
{
    channel.reset();
    keeps_owner.reset();
    disk_.reset();
    if (buffers.capacity() > spans_kept) std::vector<iovec>{}.swap(buffers);
    buffers.clear();
    if (asked_.capacity() > packet_kept) std::vector<std::byte>{}.swap(asked_);
    work_.others.clear();
}

/// Answers take the place of `packet_` on a backend's thread; this nobody changes until there is one.
void Transaction::remember(hv::vmbus::Packet const& packet)
{
    asked_header_ = packet.header.size();
    asked_.resize(asked_header_ + packet.payload.size()); // mostly what it was
    std::copy_n(packet.header.data(), asked_header_, asked_.data());
    std::copy_n(packet.payload.data(), packet.payload.size(), asked_.data() + asked_header_);
}

UnansweredPacket Transaction::unanswered() const
{
    auto const payload = asked_.begin() + static_cast<std::ptrdiff_t>(asked_header_);
    return {id, wants_answer, asked_header_ != 0, {asked_.begin(), payload}, {payload, asked_.end()}};
}

std::uint16_t Transaction::word() const
{
    std::uint16_t value = 0;
    std::memcpy(&value, &packet_.request, sizeof value);
    return value;
}

std::size_t const Transaction::usual_memory = sizeof(Transaction) + packet_kept + spans_kept * sizeof(iovec) +
                                              scsi::Limits::unmap_descriptors * sizeof(scsi::Extent);

bool Transaction::prepare(hv::vmbus::Packet const& packet, hv::GuestMemory const& memory, Units const& units,
                          std::vector<hv::vmbus::GuestSpan>& spans)
{
    auto& request = packet_.request;
    std::array<std::uint8_t, scsi::max_cdb_size> cdb{};
    if (request.cdb_length == 0 || request.cdb_length > cdb.size()) {
        refuse(srb_status::invalid_request, PacketStatus::InvalidParameter);
        return false;
    }
    std::copy_n(request.cdb_or_sense, request.cdb_length, cdb.begin());

    auto size = std::uint64_t{request.data_transfer_length};
    spans.clear();
    if (packet.type() != hv::abi::PacketType::DataUsingGpaDirect) {
        size = 0;
    } else if (!hv::vmbus::gpa_direct(packet, memory, max_transfer, spans)) {
        refuse(srb_status::invalid_request, PacketStatus::InvalidParameter);
        return false;
    }
    std::uint64_t named = 0;
    for (auto const& span : spans)
        named += span.size();
    scsi::DataBuffer const data{direction_of(request.data_in), spans, std::min(size, named)};

    if (request.path == 0 && request.target == 0) disk_ = units.at(request.lun);
    if (!disk_ || scsi::OpCode{cdb[0]} == scsi::OpCode::ReportLuns) {
        answer_without_unit(cdb, data, units);
        return false;
    }
    auto outcome = disk_->unit.execute(cdb, data);
    if (auto const* const answer = std::get_if<scsi::Answer>(&outcome)) {
        finish(*answer);
        return false;
    }
    work_ = std::move(std::get<scsi::Work>(outcome));
    next_extent_ = 0;
    operation = work_.operation;
    offset = work_.first.offset;
    length = work_.first.length;
    if (operation == block::Operation::Read || operation == block::Operation::Write) name_memory(spans);
    return true;
}

/// Linux looks at places where no unit is while it scans, and takes any other answer to INQUIRY for one
/// (storvsc_on_io_completion makes a success of it).
void Transaction::answer_without_unit(std::span<std::uint8_t const> cdb, scsi::DataBuffer const& data,
                                      Units const& units)
{
    switch (scsi::OpCode{cdb[0]}) {
    case scsi::OpCode::Inquiry: return finish(scsi::inquiry_of_nothing(cdb, data));
    case scsi::OpCode::ReportLuns: {
        bool const here = packet_.request.path == 0 && packet_.request.target == 0;
        return finish(scsi::report_luns(here ? units.luns() : std::vector<std::uint8_t>{}, cdb, data));
    }
    default: return refuse(srb_status::invalid_lun, PacketStatus::DeviceDoesNotExist);
    }
}

/// As much of the guest's memory as the command moves.
void Transaction::name_memory(std::span<hv::vmbus::GuestSpan const> spans)
{
    auto left = length;
    buffers.reserve(spans.size());
    for (auto const& span : spans) {
        if (left == 0) return;
        auto const size = std::min<std::uint64_t>(span.size(), left);
        buffers.push_back({span.data(), size});
        left -= size;
    }
}

bool Transaction::run() noexcept
{
    for (;;) {
        std::optional<block::Result> result;
        // What cannot be begun, for want of memory, is not with the backend.
        contain([&] { result = disk_->backend->submit(*this); },
                [&](char const*) { result = block::Result::Failed; });
        if (!result) return false;
        if (*result == block::Result::Done && next_piece()) continue;
        finish(scsi::LogicalUnit::answer(work_, *result));
        return true;
    }
}

bool Transaction::next_piece()
{
    if (next_extent_ < work_.others.size()) {
        auto const& extent = work_.others[next_extent_++];
        offset = extent.offset;
        length = extent.length;
        return true;
    }
    if (!work_.then_flush || operation == block::Operation::Flush) return false;
    operation = block::Operation::Flush;
    return true;
}

void Transaction::completed(block::Result result) noexcept
{
    if (result == block::Result::Done && next_piece()) {
        if (!run()) return;
    } else {
        finish(scsi::LogicalUnit::answer(work_, result));
    }
    owner_.finished(*this);
}

void Transaction::finish(scsi::Answer const& answer)
{
    bool const good = answer.status == scsi::Status::Good;
    packet_.header = {Operation::CompleteIo, packet_.header.flags, PacketStatus::Success};
    auto& request = packet_.request;
    request.scsi_status = static_cast<std::uint8_t>(answer.status);
    request.srb_status = srb_status::success;
    request.data_transfer_length = static_cast<std::uint32_t>(answer.transferred);
    if (good) {
        request.sense_length = 0;
        return;
    }
    packet_.header.status = PacketStatus::IoDeviceError;
    request.srb_status = srb_status::error;
    auto const sense = scsi::fixed_sense(answer.sense);
    auto const size = std::min<std::size_t>({sense.size(), request.sense_length, sense_size_});
    std::ranges::fill(request.cdb_or_sense, std::uint8_t{0});
    if (size != 0) {
        std::copy_n(sense.begin(), size, request.cdb_or_sense);
        request.srb_status |= srb_status::sense_data_valid;
    }
    request.sense_length = static_cast<std::uint8_t>(size);
}

void Transaction::refuse(std::uint8_t status, PacketStatus packet_status)
{
    packet_.header = {Operation::CompleteIo, packet_.header.flags, packet_status};
    auto& request = packet_.request;
    request.srb_status = status;
    request.scsi_status = static_cast<std::uint8_t>(scsi::Status::Good);
    request.data_transfer_length = 0;
    request.sense_length = 0;
}

void Transaction::answer(PacketStatus status)
{
    packet_.header = {Operation::CompleteIo, packet_.header.flags, status};
}

void Transaction::answer(ChannelProperties const& properties)
{
    answer(PacketStatus::Success);
    packet_.request = {};
    std::memcpy(&packet_.request, &properties, sizeof properties);
}

std::span<std::byte const> Transaction::answer_bytes(Version version) const
{
    auto const all = std::as_bytes(std::span{&packet_, 1});
    return version == Version::None ? all : all.first(packet_size(version));
}

} // namespace devices::storage
