/// The PC's devices behind their I/O ports, wired as in a machine with test devices: a guest reads and writes any
/// port in any size, while characters arrive, time passes, and the user presses the power button.
///
/// The input is a list of steps. The first byte says what (modulo 9), numbers called "value" are Input::value's:
///   0  OUT: a port, size (modulo 3: 1, 2 or 4 bytes), a value
///   1  IN: a port, size
///   2  characters for the serial port: their number, a value, and they
///   3  time passes: a value, in nanoseconds, at most 13 days
///   4  the user presses the power button
///   5  a write to memory: page, 2 bytes for the offset in it, length, a value, and the bytes
///   6  memory will change: after so many loads (1 byte), by XOR with a value, so often (1 byte, modulo 8)
///   7  a request to the root's test peer: eight values for its fields, carried out at once
///   8  PCI configuration: device and function, register, offset in the dword, size, and a value to write; bit 7 of
///      the register's byte: it is read
/// A port is two bytes: place in `ranges` and offset from its first port; behind the last place, 2 bytes of number.
#include "devices/fuzz/state.hpp"
#include "devices/pc/acpi_pm.hpp"
#include "devices/pc/fw_cfg.hpp"
#include "devices/pc/pci_host.hpp"
#include "devices/pc/platform.hpp"
#include "devices/pc/port_bus.hpp"
#include "devices/pc/reset_control.hpp"
#include "devices/pc/rtc_cmos.hpp"
#include "devices/pc/uart16550.hpp"
#include "devices/test_devices/debug_console.hpp"
#include "devices/test_devices/debug_exit.hpp"
#include "devices/test_devices/synic_test_device.hpp"
#include "devices/test_devices/test_peer.hpp"
#include "devices/testing/fakes.hpp"
#include "hv/fuzz/changing_memory.hpp"
#include "hv/fuzz/input.hpp"
#include "hv/fuzz/play.hpp"
#include "hv/fuzz/pool_account.hpp"
#include "hv/testing/fabric.hpp"

#include <algorithm>
#include <array>
#include <memory>
#include <vector>

using namespace devices;
using devices::testing::HandClock;
using hv::fuzz::Input;
using hv::fuzz::require;
using hv::testing::TestGuest;

namespace {

constexpr std::array ranges{platform::com1,
                            platform::rtc,
                            platform::acpi_pm,
                            platform::pci_config_address,
                            platform::pci_config_data,
                            platform::reset_control,
                            platform::keyboard_command,
                            platform::system_control_a,
                            platform::debug_console,
                            platform::debug_exit,
                            platform::fw_cfg,
                            platform::synic_test_device,
                            platform::test_peer};

constexpr std::uint64_t longest_pause = std::uint64_t{1} << 50; ///< nanoseconds
constexpr std::uint64_t pool = std::uint64_t{4} << 20;

struct Line final : IrqLine {
    bool level = false;
    bool restoring = false;

    void set(bool asserted) override
    {
        require(restoring || asserted != level, "a line is told of changes only");
        require(!restoring || asserted == level, "a state that is put back leaves its line as it was");
        level = asserted;
    }
};

/// A function that keeps what is written, and knows what it may be asked.
struct Function final : PciFunction {
    std::array<std::uint8_t, 256> bytes{};

    static void check(std::uint8_t offset, unsigned size)
    {
        require(size == 1 || size == 2 || size == 4, "an access has 1, 2 or 4 bytes");
        require(offset % 4 + size <= 4, "an access to configuration space stays in its dword");
    }
    std::uint32_t config_read(std::uint8_t offset, unsigned size) override
    {
        check(offset, size);
        std::uint32_t value = 0;
        std::memcpy(&value, bytes.data() + offset, size);
        return value;
    }
    void config_write(std::uint8_t offset, unsigned size, std::uint32_t value) override
    {
        check(offset, size);
        std::memcpy(bytes.data() + offset, &value, size);
    }
    void visit(hv::StateVisitor&) override {}
};

/// What --test-devices adds; they go before their partition does.
struct TestDevices {
    explicit TestDevices(testing::RecordedSink& sink, std::shared_ptr<hv::Partition> const& partition)
        : console{sink}, synic{partition}, peer{partition}
    {}

    DebugExit exit{[](std::uint32_t) {}};
    DebugConsole console;
    FwCfg fw_cfg{{.cpus = 2, .memory = std::uint64_t{5} << 30}};
    SynicTestDevice synic;
    TestPeer peer;
};

class World {
  public:
    World()
    {
        changing_.watch({guest_.ram.get(), TestGuest::pages * hv::page_size});
        hv::testing::start_synic(guest_, 0);
        hv::testing::start_synic(guest_, 1);
        tests_ = std::make_unique<TestDevices>(sink_, guest_.partition);
        pci_.add({5, 1}, function_);
        auto const devices = std::to_array<PortDevice*>(
            {&com1_, &rtc_, &acpi_pm_, &pci_.address_port(), &pci_.data_port(), &reset_control_, &keyboard_reset_,
             &system_control_, &tests_->console, &tests_->exit, &tests_->fw_cfg, &tests_->synic, &tests_->peer});
        for (std::size_t i = 0; i < ranges.size(); ++i)
            ports_.map(ranges[i], *devices[i]);
    }

    void step(Input& input)
    {
        switch (input.below(9)) {
        case 0: {
            auto const port = any_port(input);
            auto const size = any_size(input);
            write(port, size, static_cast<std::uint32_t>(input.value()));
            break;
        }
        case 1: {
            auto const port = any_port(input);
            read(port, any_size(input));
            break;
        }
        case 2: type(std::as_bytes(input.counted_bytes())); break;
        case 3: pass_time(input.value()); break;
        case 4: acpi_pm_.press_power_button(); break;
        case 5: {
            auto const page = input.below(TestGuest::pages);
            auto const offset = input.take<std::uint16_t>() % hv::page_size;
            auto const bytes = input.bytes(std::min(input.value(), hv::page_size - offset));
            std::memcpy(guest_.ram.get() + page * hv::page_size + offset, bytes.data(), bytes.size());
            break;
        }
        case 6: changing_.change_after(input); break;
        case 7: ask_peer(input); break;
        default: configure_pci(input); break;
        }
    }

    void end()
    {
        changing_.change_after(0, 0, 0);
        for (auto* const line : {&com1_irq_, &sci_, &rtc_irq_})
            line->restoring = true;
        devices::testing::check_state_stays(com1_);
        devices::testing::check_state_stays(acpi_pm_);
        devices::testing::check_state_stays(rtc_);
        devices::testing::check_state_stays(pci_);
        tests_.reset();
        registry_.remove(*guest_.partition);
        require(hv::fuzz::only_nodes_charged(*guest_.partition, pool), "a pool has again what it had");
        auto const none = [](std::uint32_t, std::uint64_t) { require(false, "the test peer leaves nothing behind"); };
        registry_.root().ports().for_each(none);
        registry_.root().connections().for_each(none);
    }

  private:
    static std::uint16_t any_port(Input& input)
    {
        auto const place = input.below(ranges.size() + 1);
        if (place == ranges.size()) return input.take<std::uint16_t>();
        return static_cast<std::uint16_t>(ranges[place].first + input.below(ranges[place].count));
    }
    static unsigned any_size(Input& input) { return 1U << input.below(3); }

    static bool claimed(std::uint16_t port)
    {
        return std::ranges::any_of(
            ranges, [port](auto const& range) { return port >= range.first && port - range.first < range.count; });
    }

    void write(std::uint16_t port, unsigned size, std::uint32_t value)
    {
        auto const offs = power_.offs;
        auto const resets = power_.resets;
        ports_.write(port, size, value);
        auto const in = [port](platform::PortRange range) {
            return port >= range.first && port - range.first < range.count;
        };
        require(power_.offs == offs || in(platform::acpi_pm), "only ACPI's control register turns power off");
        require(power_.resets == resets || in(platform::reset_control) || in(platform::keyboard_command) ||
                    in(platform::system_control_a),
                "only reset registers reset");
        sink_.text.clear();
    }

    void read(std::uint16_t port, unsigned size)
    {
        auto const value = ports_.read(port, size);
        if (!claimed(port)) require(value == 0xFFFF'FFFF, "a port without a device reads as all ones");
        if (port == platform::acpi_pm_timer.first && size == 4) require(value == timer_ticks(), "the timer ticks");
    }

    /// At 3.579545 MHz.
    [[nodiscard]] std::uint32_t timer_ticks() const
    {
        __extension__ using Wide = unsigned __int128;
        return static_cast<std::uint32_t>(Wide(pm_clock_.now().count()) * 3'579'545 / 1'000'000'000);
    }

    void type(std::span<std::byte const> characters)
    {
        auto const listening = com1_.receive_interrupt_enabled();
        auto const taken = com1_.receive(characters);
        require(taken <= characters.size(), "no more is taken than is there");
        if (listening && taken > 0) require(com1_.receive_interrupt_enabled(), "input does not stop a driver");
    }

    void pass_time(std::uint64_t nanoseconds)
    {
        std::chrono::nanoseconds const pause{nanoseconds % longest_pause};
        auto const calls = pm_clock_.calls + rtc_clock_.calls;
        pm_clock_.advance(pause);
        rtc_clock_.advance(pause);
        require(pm_clock_.calls + rtc_clock_.calls - calls < 10'000, "a guest that does not listen costs nothing");
        guest_.clock.advance_100ns(static_cast<std::uint64_t>(pause.count()) / 100);
    }

    void ask_peer(Input& input)
    {
        constexpr std::uint32_t where = 0x20'000;
        PeerRequest request{};
        request.operation = PeerRequest::Operation{static_cast<std::uint32_t>(input.value())};
        for (auto* const field : {&request.connection_id, &request.port_id, &request.port_type, &request.message_type,
                                  &request.payload_size, &request.count, &request.flag_number})
            *field = static_cast<std::uint32_t>(input.value());
        request.count = std::min(request.count, std::uint32_t{64}); // more is the same again
        (void)guest_.memory.write(hv::Gpa{where}, request);
        write(platform::test_peer.first, 4, where);
    }

    void configure_pci(Input& input)
    {
        auto const slot = input.byte();
        auto const which = input.byte();
        auto const offset = input.below(4);
        auto const size = any_size(input);
        auto const value = static_cast<std::uint32_t>(input.value());
        write(platform::pci_config_address.first, 4, 1U << 31 | std::uint32_t{slot} << 8 | (which & 0x3FU) << 2);
        auto const port = static_cast<std::uint16_t>(platform::pci_config_data.first + offset);
        if ((which & 0x80) == 0) return write(port, size, value);
        auto const there = slot == 0 || slot == (5 << 3 | 1);
        auto const got = ports_.read(port, size);
        if (!there) require(got == (size == 4 ? ~0U : (1U << 8 * size) - 1), "no function, no answer");
    }

    hv::fuzz::ChangingMemory changing_;
    hv::PartitionRegistry registry_;
    TestGuest guest_{registry_, hv::Rights::root(), 2, hv::PartitionRegistry::root_id, pool};
    Line com1_irq_;
    Line sci_;
    Line rtc_irq_;
    HandClock pm_clock_;
    HandClock rtc_clock_{std::chrono::seconds{1'700'000'000}};
    testing::RecordedSink sink_;
    testing::RecordedPower power_;
    Function function_;
    Uart16550 com1_{sink_, com1_irq_};
    AcpiPm acpi_pm_{pm_clock_, sci_, power_};
    RtcCmos rtc_{rtc_clock_, rtc_irq_, {.below_4g = std::uint64_t{3} << 30, .above_4g = std::uint64_t{2} << 30}};
    PciHost pci_;
    ResetControlRegister reset_control_{power_};
    KeyboardReset keyboard_reset_{power_};
    SystemControlPortA system_control_{power_};
    std::unique_ptr<TestDevices> tests_;
    PortBus ports_;
};

} // namespace

extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* data, std::size_t size);

extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* data, std::size_t size)
{
    Input input{{data, size}};
    World world;
    return hv::fuzz::play(world, input);
}
