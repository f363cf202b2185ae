#include "devices/pc/uart16550.hpp"

#include <algorithm>
#include <utility>

namespace devices {

namespace {

// Registers, by offset. 0 and 1 are the divisor latch while LCR's DLAB is set.
enum Register : unsigned {
    data = 0, // RBR when read, THR when written
    interrupt_enable = 1,
    interrupt_identification = 2, // FCR when written
    line_control = 3,
    modem_control = 4,
    line_status = 5,
    modem_status = 6,
    scratch = 7,
    register_count = 8,
};

namespace ier {
constexpr std::uint8_t received = 0x01;
constexpr std::uint8_t transmitter = 0x02;
constexpr std::uint8_t line = 0x04;
constexpr std::uint8_t modem = 0x08;
constexpr std::uint8_t all = 0x0F;
} // namespace ier

// In order of falling priority.
namespace iir {
constexpr std::uint8_t line = 0x06;
constexpr std::uint8_t received = 0x04;
constexpr std::uint8_t timeout = 0x0C;
constexpr std::uint8_t transmitter = 0x02;
constexpr std::uint8_t modem = 0x00;
constexpr std::uint8_t none = 0x01;
constexpr std::uint8_t fifos_on = 0xC0;
} // namespace iir

namespace fcr {
constexpr std::uint8_t enable = 0x01;
constexpr std::uint8_t clear_receiver = 0x02;
constexpr unsigned trigger_shift = 6;
} // namespace fcr

namespace mcr {
constexpr std::uint8_t dtr = 0x01;
constexpr std::uint8_t rts = 0x02;
constexpr std::uint8_t out1 = 0x04;
constexpr std::uint8_t out2 = 0x08;
constexpr std::uint8_t loop = 0x10;
constexpr std::uint8_t all = 0x1F;
} // namespace mcr

namespace lsr {
constexpr std::uint8_t data_ready = 0x01;
constexpr std::uint8_t overrun = 0x02;
constexpr std::uint8_t transmitter_idle = 0x60; // THRE and TEMT: what is written has been sent
} // namespace lsr

// The low half of MSR says what changed in the high half; for RI, only its trailing edge counts.
namespace msr {
constexpr std::uint8_t cts = 0x10;
constexpr std::uint8_t dsr = 0x20;
constexpr std::uint8_t ri = 0x40;
constexpr std::uint8_t dcd = 0x80;
} // namespace msr

constexpr std::uint8_t lcr_dlab = 0x80;

} // namespace

void Uart16550::Registers::push_received(std::uint8_t value)
{
    state_.received[(state_.first_received + state_.received_count++) % fifo_size] = value;
}

std::uint8_t Uart16550::Registers::pop_received()
{
    if (state_.received_count == 0) return 0;
    auto const value = state_.received[state_.first_received];
    state_.first_received = (state_.first_received + 1) % fifo_size;
    --state_.received_count;
    return value;
}

void Uart16550::Registers::replace_newest_received(std::uint8_t value)
{
    state_.received[(state_.first_received + state_.received_count - 1U) % fifo_size] = value;
}

std::size_t Uart16550::Registers::receive(std::span<std::byte const> data)
{
    // In loopback the receiver's pin is disconnected; the sender waits rather than talking to nobody.
    auto const room = looped() ? 0U : capacity() - std::min(capacity(), unsigned{state_.received_count});
    auto const taken = std::min<std::size_t>(room, data.size());
    for (auto const b : data.first(taken))
        push_received(static_cast<std::uint8_t>(b));

    state_.offered_more = taken < data.size();
    update_line();
    return taken;
}

bool Uart16550::Registers::receive_interrupt_enabled() const
{
    return (state_.interrupt_enable & ier::received) != 0;
}

std::uint8_t Uart16550::Registers::read(unsigned reg)
{
    auto const value = read_register(reg);
    update_line();
    return value;
}

void Uart16550::Registers::write(unsigned reg, std::uint8_t value)
{
    write_register(reg, value);
    update_line();
}

/// Nothing when somebody has the lock. Then they, or who has it next, see that input was turned away: they look after
/// they have let go of the lock, and here the mark is made before the lock is tried for the last time. Both sides
/// exchange the mark: if theirs came first, the lock that they had let go of before is seen to be free.
template <typename Body>
auto Uart16550::with_input(Body body)
{
    auto result = registers_.try_with(body);
    if (result) return result;
    (void)turned_away_.exchange(true);
    return registers_.try_with(body);
}

std::size_t Uart16550::receive(std::span<std::byte const> data)
{
    if (quiesced_.load()) return 0;
    return with_input([data](Registers& registers) { return registers.receive(data); }).value_or(0);
}

bool Uart16550::receive_interrupt_enabled()
{
    return with_input([](Registers& registers) { return registers.receive_interrupt_enabled(); }).value_or(false);
}

std::uint8_t Uart16550::read_byte(std::uint16_t offset)
{
    if (offset >= register_count) return 0xFF;

    std::uint8_t value = 0;
    bool drained = false;
    {
        auto const registers = registers_.lock();
        value = registers->read(offset);
        drained = registers->take_drained();
    }
    if (take_turned_away() || drained) sink_.input_drained();
    return value;
}

void Uart16550::write_byte(std::uint16_t offset, std::uint8_t value)
{
    if (offset >= register_count) return;

    bool drained = false;
    {
        auto const registers = registers_.lock();
        registers->write(offset, value);
        drained = registers->take_drained();
    }
    if (take_turned_away() || drained) sink_.input_drained();
}

void Uart16550::visit(hv::StateVisitor& visitor)
{
    registers_.lock()->visit(visitor);
}

void Uart16550::Registers::visit(hv::StateVisitor& visitor)
{
    hv::visit(visitor, state_);
    if (!visitor.restores()) return;
    state_.first_received %= fifo_size;
    state_.received_count = std::min<std::uint8_t>(state_.received_count, fifo_size);
    irq_.set(state_.line);
}

void Uart16550::quiesce(hv::StillBusy)
{
    quiesced_.store(true);
}

void Uart16550::resume()
{
    if (quiesced_.exchange(false)) sink_.input_drained();
}

bool Uart16550::take_turned_away()
{
    return turned_away_.exchange(false);
}

std::uint8_t Uart16550::Registers::read_register(unsigned reg)
{
    switch (reg) {
    case data: return divisor_latch_open() ? static_cast<std::uint8_t>(state_.divisor) : pop_received();
    case interrupt_enable:
        return divisor_latch_open() ? static_cast<std::uint8_t>(state_.divisor >> 8) : state_.interrupt_enable;
    case interrupt_identification: return read_interrupt_identification();
    case line_control: return state_.line_control;
    case modem_control: return state_.modem_control;
    case line_status: {
        auto const overrun = std::exchange(state_.overrun, false) ? lsr::overrun : std::uint8_t{0};
        auto const ready = state_.received_count == 0 ? std::uint8_t{0} : lsr::data_ready;
        return static_cast<std::uint8_t>(lsr::transmitter_idle | overrun | ready);
    }
    case modem_status:
        return static_cast<std::uint8_t>(modem_lines() | std::exchange(state_.modem_changes, std::uint8_t{0}));
    default: return state_.scratch;
    }
}

void Uart16550::Registers::write_register(unsigned reg, std::uint8_t value)
{
    switch (reg) {
    case data:
        if (!divisor_latch_open()) return transmit(value);
        state_.divisor = static_cast<std::uint16_t>((state_.divisor & 0xFF00U) | value);
        break;
    case interrupt_enable:
        if (!divisor_latch_open()) return set_interrupt_enable(value);
        state_.divisor = static_cast<std::uint16_t>((state_.divisor & 0x00FFU) | (std::uint32_t{value} << 8U));
        break;
    case interrupt_identification: set_fifo_control(value); break;
    case line_control: state_.line_control = value; break;
    case modem_control: set_modem_control(value); break;
    case scratch: state_.scratch = value; break;
    default: break; // LSR and MSR are read-only
    }
}

void Uart16550::Registers::transmit(std::uint8_t value)
{
    if (looped()) {
        loop_back(value);
    } else {
        auto const out = std::byte{value};
        sink_.write({&out, 1});
    }
    state_.transmitter_pending = true;
}

/// A character that finds no room is lost with FIFOs on, and overwrites its predecessor without them.
void Uart16550::Registers::loop_back(std::uint8_t value)
{
    if (state_.received_count < capacity()) {
        push_received(value);
        return;
    }
    state_.overrun = true;
    if (!fifos_on()) replace_newest_received(value);
}

/// Enabling the transmitter's interrupt while it is idle raises it, also when IIR has shown it before: Linux tests
/// for that, Windows relies on it.
void Uart16550::Registers::set_interrupt_enable(std::uint8_t value)
{
    auto const raised = static_cast<std::uint8_t>(value & ~state_.interrupt_enable);
    state_.interrupt_enable = value & ier::all;
    if (raised & ier::transmitter) state_.transmitter_pending = true;
    if (raised & ier::received) state_.announce = true;
}

/// A character received just before FIFOs go on stays, so that none is lost between a driver's enabling the interrupt
/// and its enabling the FIFOs, which is the order in which Linux does it.
void Uart16550::Registers::set_fifo_control(std::uint8_t value)
{
    auto const enabled = (value & fcr::enable) != 0;
    if ((fifos_on() && !enabled) || (enabled && (value & fcr::clear_receiver))) state_.received_count = 0;
    state_.fifo_control = enabled ? value : std::uint8_t{0};
}

void Uart16550::Registers::set_modem_control(std::uint8_t value)
{
    auto const before = modem_lines();
    state_.modem_control = value & mcr::all;
    auto const after = modem_lines();

    auto const changed = (before ^ after) & (msr::cts | msr::dsr | msr::dcd);
    auto const fell = before & ~after & msr::ri;
    state_.modem_changes = static_cast<std::uint8_t>(state_.modem_changes | ((changed | fell) >> 4));
}

/// The line's far end is always there and ready; in loopback the modem's inputs are our own outputs.
std::uint8_t Uart16550::Registers::modem_lines() const
{
    if (!looped()) return msr::dcd | msr::dsr | msr::cts;

    unsigned lines = 0;
    if (state_.modem_control & mcr::rts) lines |= msr::cts;
    if (state_.modem_control & mcr::dtr) lines |= msr::dsr;
    if (state_.modem_control & mcr::out1) lines |= msr::ri;
    if (state_.modem_control & mcr::out2) lines |= msr::dcd;
    return static_cast<std::uint8_t>(lines);
}

std::uint8_t Uart16550::Registers::read_interrupt_identification()
{
    auto const pending = pending_interrupt();
    if (pending == iir::transmitter) state_.transmitter_pending = false;
    return static_cast<std::uint8_t>(pending | (fifos_on() ? iir::fifos_on : 0));
}

/// The character timeout comes at once: nothing more is on its way that would be worth waiting for.
std::uint8_t Uart16550::Registers::pending_interrupt() const
{
    if ((state_.interrupt_enable & ier::line) && state_.overrun) return iir::line;
    if ((state_.interrupt_enable & ier::received) && state_.received_count != 0)
        return state_.received_count >= trigger_level() ? iir::received : iir::timeout;
    if ((state_.interrupt_enable & ier::transmitter) && state_.transmitter_pending) return iir::transmitter;
    if ((state_.interrupt_enable & ier::modem) && state_.modem_changes) return iir::modem;
    return iir::none;
}

bool Uart16550::Registers::divisor_latch_open() const
{
    return (state_.line_control & lcr_dlab) != 0;
}

bool Uart16550::Registers::looped() const
{
    return (state_.modem_control & mcr::loop) != 0;
}

bool Uart16550::Registers::fifos_on() const
{
    return (state_.fifo_control & fcr::enable) != 0;
}

unsigned Uart16550::Registers::capacity() const
{
    return fifos_on() ? fifo_size : 1;
}

unsigned Uart16550::Registers::trigger_level() const
{
    static constexpr std::array<unsigned, 4> levels{1, 4, 8, 14};
    return fifos_on() ? levels[state_.fifo_control >> fcr::trigger_shift] : 1;
}

void Uart16550::Registers::update_line()
{
    auto const gate_open = (state_.modem_control & mcr::out2) && !looped(); // loopback forces the OUT2 pin off
    auto const level = gate_open && pending_interrupt() != iir::none;
    if (level == state_.line) return;
    state_.line = level;
    irq_.set(level);
}

bool Uart16550::Registers::take_drained()
{
    if (std::exchange(state_.announce, false)) {
        state_.offered_more = false;
        return true;
    }
    if (!state_.offered_more || looped() || state_.received_count != 0) return false;
    state_.offered_more = false;
    return true;
}

} // namespace devices
