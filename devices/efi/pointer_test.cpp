// The EFI driver's pointer, in a firmware whose events and priorities are objects here.
#include "devices/efi/pointer.hpp"
#include "devices/efi/testing/firmware.hpp"

#include <optional>

using namespace efi;

namespace {

struct Machine {
    Machine()
    {
        firmware.console = &console.mailbox;
        add_pointer(firmware.boot, firmware.pci);
        pointer = firmware.protocol<AbsolutePointer>();
        REQUIRE(pointer);
    }

    void report(std::uint8_t buttons, std::uint16_t x, std::uint16_t y)
    {
        REQUIRE(console.mailbox.point({buttons, x, y, 0}));
    }
    /// Nothing while there is nothing new.
    [[nodiscard]] std::optional<std::vector<std::uint64_t>> state() const
    {
        AbsolutePointer::State state{};
        auto const status = pointer->get_state(pointer, &state);
        CHECK((status == success || status == not_ready));
        if (failed(status)) return {};
        return std::vector<std::uint64_t>{state.buttons, state.x, state.y, state.z};
    }
    [[nodiscard]] bool waits() { return !firmware.check(pointer->wait_for_input); }

    testing::Console console{};
    testing::Firmware firmware{};
    AbsolutePointer* pointer = nullptr;
};

using State = std::vector<std::uint64_t>;

} // namespace

TEST_CASE("without a display there is no pointer for firmware", "[efi]")
{
    testing::Firmware firmware;
    add_pointer(firmware.boot, firmware.pci);
    CHECK(firmware.protocol<AbsolutePointer>() == nullptr);
}

TEST_CASE("firmware is told once where the pointer is, at any priority", "[efi]")
{
    Machine m;
    auto const priority = GENERATE(Priority::Application, Priority::Callback);
    CHECK(m.pointer->mode->max_x == 0x7FFF);
    CHECK(m.pointer->mode->max_y == 0x7FFF);
    m.firmware.at(priority, [&] {
        CHECK_FALSE(m.state());
        CHECK(m.waits());
        m.report(0, 0x7FFF, 3);
        CHECK_FALSE(m.waits());
        CHECK_FALSE(m.waits()); // nobody has asked yet
        CHECK(m.state() == State{0, 0x7FFF, 3, 0});
        CHECK_FALSE(m.state());
        CHECK(m.waits());
    });
    CHECK(m.pointer->get_state(m.pointer, nullptr) == invalid_parameter);
}

TEST_CASE("a click that is over is seen as one", "[efi]")
{
    Machine m;
    m.report(0, 1, 2);
    m.report(2, 1, 2); // the right button
    m.report(0, 1, 2);
    m.report(5, 3, 4); // the left one and the middle one, of which the protocol knows nothing
    CHECK_FALSE(m.waits());
    CHECK(m.state() == State{0, 1, 2, 0});
    CHECK(m.state() == State{2, 1, 2, 0});
    CHECK(m.state() == State{0, 1, 2, 0});
    CHECK_FALSE(m.waits());
    CHECK(m.state() == State{1, 3, 4, 0});
    CHECK_FALSE(m.state());
}

TEST_CASE("a reset forgets what the pointer has done", "[efi]")
{
    Machine m;
    m.report(1, 1, 2);
    m.report(0, 1, 2);
    CHECK_FALSE(m.waits());
    CHECK(m.pointer->reset(m.pointer, true) == success);
    CHECK(m.waits());
    CHECK_FALSE(m.state());
    m.report(0, 5, 6);
    CHECK(m.state() == State{0, 5, 6, 0});
}

TEST_CASE("the pointer ends with the firmware", "[efi]")
{
    Machine m;
    m.firmware.exit_boot_services();
    CHECK_FALSE(m.console.mailbox.point({}));
}
