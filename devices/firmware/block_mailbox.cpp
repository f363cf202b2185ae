#include "devices/firmware/block_mailbox.hpp"

#include "devices/base/guarded_thread.hpp"

#include <algorithm>
#include <utility>

namespace devices::firmware {

using mailbox::Operation;
using mailbox::State;

namespace {

constexpr std::uint64_t low_half = 0xFFFF'FFFF;

bool is_disc(storage::Disk const& disk)
{
    return disk.unit.type() == scsi::DeviceType::Disc;
}

bool is_read_only(storage::Disk const& disk)
{
    return is_disc(disk) || disk.backend->properties().read_only;
}

std::uint32_t block_size_of(storage::Disk const& disk)
{
    return static_cast<std::uint32_t>(is_disc(disk) ? scsi::disc_block_size : scsi::disk_block_size);
}

std::uint64_t blocks_of(storage::Disk const& disk)
{
    return disk.backend->properties().size / block_size_of(disk);
}

State state_of(block::Result result)
{
    return result == block::Result::Done ? State::Done : State::Failed;
}

} // namespace

/// Keeps itself, and what it uses, until it is answered.
class BlockMailbox::Transfer final : public block::Request {
  public:
    Transfer(std::shared_ptr<storage::Disk> disk, std::shared_ptr<void const> guest_ram, SharedState state)
        : disk_{std::move(disk)}, guest_ram_{std::move(guest_ram)}, state_{std::move(state)}
    {}

    /// The answer when it is known at once.
    static std::optional<State> begin(std::shared_ptr<Transfer> transfer)
    {
        auto& self = *transfer;
        self.self_ = std::move(transfer);
        std::optional<block::Result> result;
        // What cannot be begun, for want of memory, is not with the backend.
        contain([&] { result = self.disk_->backend->submit(self); },
                [&](char const*) { result = block::Result::Failed; });
        if (!result) return std::nullopt;
        auto const ends = std::move(self.self_);
        return state_of(*result);
    }

    void completed(block::Result result) noexcept override
    {
        auto const state = state_;
        auto const ends = std::move(self_);
        state->store(state_of(result));
    }

  private:
    std::shared_ptr<storage::Disk> const disk_;
    std::shared_ptr<void const> const guest_ram_;
    SharedState const state_;
    std::shared_ptr<Transfer> self_;
};

BlockMailbox::BlockMailbox(hv::GuestMemory const& memory, std::shared_ptr<void const> guest_ram,
                           std::vector<BootUnit> units)
    : memory_{memory},
      guest_ram_{std::move(guest_ram)},
      units_{std::move(units)},
      state_{std::make_shared<std::atomic<State>>(State::Done)}
{}

BlockMailbox::~BlockMailbox() = default;

void BlockMailbox::visit(hv::StateVisitor& visitor)
{
    std::uint64_t address = address_;
    visitor.number("address", address);
    address_ = address;
    auto state = static_cast<std::uint64_t>(state_->load());
    visitor.number("state", state);
    if (!visitor.restores()) return;
    auto const restored = static_cast<State>(state);
    // A request that was under way elsewhere is nobody's here: the driver hears that it failed.
    *state_ = state > std::uint64_t{mailbox::last_state} || restored == State::Busy ? State::Failed : restored;
}

std::uint32_t BlockMailbox::read_dword(std::uint64_t offset, unsigned)
{
    auto const shift = 8 * (offset % 4);
    switch (offset & ~std::uint64_t{3}) {
    case mailbox::address_low: return static_cast<std::uint32_t>(address_ & low_half) >> shift;
    case mailbox::address_high: return static_cast<std::uint32_t>(address_ >> 32) >> shift;
    case mailbox::state: return static_cast<std::uint32_t>(state_->load()) >> shift;
    case mailbox::units: return static_cast<std::uint32_t>(units_.size()) >> shift;
    default: return 0;
    }
}

/// Whole dwords: the driver writes nothing else.
void BlockMailbox::write_dword(std::uint64_t offset, unsigned size, std::uint32_t value)
{
    if (size != 4) return;
    switch (offset) {
    case mailbox::address_low: address_ = (address_ & ~low_half) | value; break;
    case mailbox::address_high: address_ = (address_ & low_half) | std::uint64_t{value} << 32; break;
    case mailbox::start: start(); break;
    default: break;
    }
}

/// The one that makes it busy is the only one to go on.
void BlockMailbox::start()
{
    auto before = state_->load();
    do {
        if (before == State::Busy) return;
    } while (!state_->compare_exchange_weak(before, State::Busy));

    hv::Gpa const address{address_};
    mailbox::Request request{};
    std::optional<State> answer = State::BadRequest;
    if (address.value % mailbox::request_alignment == 0 && memory_.read(address, request)) {
        contain([&] { answer = carry_out(request); }, [&](char const*) { answer = State::Failed; });
    }
    if (answer) *state_ = *answer;
}

std::optional<State> BlockMailbox::carry_out(mailbox::Request const& request)
{
    if (request.unit >= units_.size()) return State::NoUnit;
    auto const& unit = units_[request.unit];
    auto disk = unit.disk.lock();
    if (!disk) return State::NoUnit;
    switch (request.operation) {
    case Operation::Identify: return identify(unit, *disk, request);
    case Operation::Read:
    case Operation::Write:
    case Operation::Flush: return transfer(std::move(disk), request);
    }
    return State::BadRequest;
}

State BlockMailbox::identify(BootUnit const& unit, storage::Disk const& disk, mailbox::Request const& request) const
{
    mailbox::Unit answer{};
    std::ranges::copy(unit.instance, answer.instance);
    answer.lun = unit.lun;
    answer.block_size = block_size_of(disk);
    answer.blocks = blocks_of(disk);
    answer.read_only = is_read_only(disk) ? 1 : 0;
    answer.disc = is_disc(disk) ? 1 : 0;
    answer.place = unit.place;
    bool const placed = request.buffer % 8 == 0 && memory_.write(hv::Gpa{request.buffer}, answer);
    return placed ? State::Done : State::BadRequest;
}

std::optional<State> BlockMailbox::transfer(std::shared_ptr<storage::Disk> disk, mailbox::Request const& request)
{
    bool const writes = request.operation == Operation::Write;
    bool const flushes = request.operation == Operation::Flush;
    auto const blocks = blocks_of(*disk);
    auto const block_size = block_size_of(*disk);
    auto const bytes = flushes ? 0 : std::uint64_t{request.count} * block_size;
    bool const lies_within = request.block <= blocks && request.count <= blocks - request.block;
    if (!flushes && (!lies_within || bytes > mailbox::most_bytes || request.buffer % 8 != 0))
        return State::BadRequest;
    if (is_read_only(*disk) && writes) return State::WriteProtected;
    if ((is_read_only(*disk) && flushes) || (!flushes && bytes == 0)) return State::Done;
    auto* const memory = flushes ? nullptr : memory_.at(hv::Gpa{request.buffer}, bytes);
    if (!flushes && !memory) return State::BadRequest;

    auto work = std::make_shared<Transfer>(std::move(disk), guest_ram_, state_);
    work->operation = flushes ? block::Operation::Flush : writes ? block::Operation::Write : block::Operation::Read;
    work->offset = flushes ? 0 : request.block * block_size;
    work->length = bytes;
    if (!flushes) work->buffers = {{memory, bytes}};
    return Transfer::begin(std::move(work));
}

} // namespace devices::firmware
