#include "devices/tpm/crb.hpp"

#include "devices/base/big_endian.hpp"
#include "devices/base/guarded_thread.hpp"

#include <algorithm>
#include <cstring>
#include <span>
#include <utility>

namespace devices::tpm {

namespace {

// Fields of the interface's identifier (PTP §6.5.3.8): the CRB is active, in its first version; data may be moved in
// 64 bytes at a time; there is a CRB and no FIFO. In its upper half, whose the TPM is: libtpms is IBM's, as QEMU
// says.
constexpr std::uint32_t interface_value = 1U << 0 | 1U << 4 | 3U << 11 | 1U << 14 | 1U << 17;
constexpr std::uint32_t vendor = 0x1014;

// Response codes (TCG TPM 2.0 Library, part 2, §6.6.3).
constexpr std::uint32_t failure = 0x101;
constexpr std::uint32_t wrong_command_size = 0x142;

constexpr std::uint64_t buffer_address = crb_address + crb::data;

/// A response that says no more than that.
std::array<std::byte, header_bytes> response_of(std::uint32_t code)
{
    constexpr std::byte no_sessions{0x80}; // TPM_ST_NO_SESSIONS, 0x8001
    std::array<std::byte, header_bytes> bytes{no_sessions, std::byte{1}};
    put_big_endian(std::span{bytes}.subspan(size_offset, number_bytes), header_bytes);
    put_big_endian(std::span{bytes}.subspan(code_offset, number_bytes), code);
    return bytes;
}

std::uint32_t flag(bool set, std::uint32_t bit)
{
    return set ? bit : 0;
}

} // namespace

class Crb::Command final : public Waiter {
  public:
    explicit Command(std::shared_ptr<SharedState> shared) : shared_{std::move(shared)}
    {
        shared_->lock()->kept.reserve(most_bytes); // a response needs no memory any more
    }

    void answered(std::span<std::byte const> response) noexcept override
    {
        auto const shared = shared_->lock();
        if (!shared->rests) return put(shared->state, response);
        auto const size = std::min(response.size(), most_bytes);
        shared->kept.assign(response.begin(), response.begin() + static_cast<std::ptrdiff_t>(size));
        shared->has_kept = true;
    }

  private:
    std::shared_ptr<SharedState> const shared_;
};

Crb::Crb(std::shared_ptr<Backend> backend) : backend_{std::move(backend)}, shared_{std::make_shared<SharedState>()}
{
    backend_->reset();
}

void Crb::put(State& state, std::span<std::byte const> response)
{
    auto const failed = response_of(failure);
    state.failed = response.empty();
    auto const shown = state.failed ? std::span<std::byte const>{failed} : response;
    auto const size = std::min(shown.size(), state.buffer.size());
    std::ranges::fill(state.buffer, std::byte{0}); // nothing of the command, which may be longer
    std::ranges::copy(shown.first(size), state.buffer.begin());
    state.busy = false;
}

std::uint32_t Crb::read_dword(std::uint64_t offset, unsigned size)
{
    auto const shared = shared_->lock();
    auto const& state = shared->state;
    if (offset >= crb::data) {
        std::uint32_t value = 0;
        std::memcpy(&value, state.buffer.data() + (offset - crb::data), size);
        return value;
    }
    auto const value = [&]() -> std::uint32_t {
        switch (offset & ~std::uint64_t{3}) {
        case crb::locality_state:
            return crb::not_established | crb::registers_valid | flag(state.assigned, crb::locality_assigned);
        case crb::locality_status: return flag(state.assigned, crb::granted);
        case crb::interface_id: return interface_value;
        case crb::interface_id + 4: return vendor;
        case crb::control_status: return flag(state.failed, crb::failed) | flag(state.idle, crb::idle);
        case crb::control_start: return flag(state.busy, crb::start);
        case crb::command_size:
        case crb::response_size: return static_cast<std::uint32_t>(most_bytes);
        case crb::command_address:
        case crb::response_address: return static_cast<std::uint32_t>(buffer_address);
        default: return 0; // what was asked for is done: requests are clear again
        }
    }();
    return value >> 8 * (offset % 4);
}

/// Registers are written as whole dwords, the buffer as the guest likes. Cancelling is for a TPM to do or not: this
/// one finishes what it has begun, since swtpm takes one thing after the other. What QEMU's interface does with a
/// command that is started while idle, this does too: it is carried out.
void Crb::write_dword(std::uint64_t offset, unsigned size, std::uint32_t value)
{
    if (offset == crb::control_start) {
        if (size == 4 && (value & crb::start) != 0) start();
        return;
    }
    auto const shared = shared_->lock();
    auto& state = shared->state;
    if (offset >= crb::data) {
        if (!state.busy) std::memcpy(state.buffer.data() + (offset - crb::data), &value, size);
        return;
    }
    if (size != 4) return;
    switch (offset) {
    case crb::locality_control:
        if ((value & crb::relinquish) != 0)
            state.assigned = false;
        else if ((value & crb::request_access) != 0)
            state.assigned = true;
        break;
    case crb::control_request:
        if (state.busy) break;
        if ((value & crb::go_idle) != 0)
            state.idle = true;
        else if ((value & crb::command_ready) != 0)
            state.idle = false;
        break;
    default: break;
    }
}

void Crb::start()
{
    std::vector<std::byte> command;
    {
        auto const shared = shared_->lock();
        auto& state = shared->state;
        if (state.busy || !state.assigned) return;
        auto const size = big_endian(std::span{state.buffer}.subspan(size_offset, number_bytes));
        if (size < header_bytes || size > most_bytes) return put(state, response_of(wrong_command_size));
        state.busy = true;
        if (!contain([&] { command.assign(state.buffer.begin(), state.buffer.begin() + size); }, [](char const*) {}))
            return put(state, {});
    }
    // The host may have no memory left for it.
    contain([&] { backend_->submit(std::move(command), std::make_shared<Command>(shared_)); },
            [&](char const*) { put(shared_->lock()->state, {}); });
}

void Crb::quiesce()
{
    shared_->lock()->rests = true;
}

void Crb::resume()
{
    auto const shared = shared_->lock();
    shared->rests = false;
    if (!std::exchange(shared->has_kept, false)) return;
    put(shared->state, shared->kept);
}

void Crb::visit(hv::StateVisitor& visitor)
{
    auto const shared = shared_->lock();
    auto& state = shared->state;
    hv::visit(visitor, state);
    if (visitor.restores() && state.busy) put(state, {});
}

void Crb::inspect(hv::Inspector& inspector) const
{
    hv::InspectedNode const node{inspector, "tpm"};
    {
        auto const shared = shared_->lock();
        hv::show(inspector, shared->state);
    }
    backend_->inspect(inspector);
}

} // namespace devices::tpm
