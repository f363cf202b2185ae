// The EFI driver's keyboard, in a firmware whose events and priorities are objects here.
#include "devices/efi/keyboard.hpp"
#include "devices/efi/testing/firmware.hpp"

using namespace efi;
using devices::vmbus::ScanCode;
using enum devices::vmbus::Keyboard::Stroke;

namespace {

constexpr ScanCode letter_b{0x30};

struct Machine {
    Machine()
    {
        firmware.console = &console.mailbox;
        add_keyboard(firmware.boot, firmware.pci);
        input = firmware.protocol<TextInput>();
        input_ex = firmware.protocol<TextInputEx>();
        REQUIRE((input && input_ex));
    }

    void type(ScanCode code)
    {
        REQUIRE(console.mailbox.strike(code, Press));
        REQUIRE(console.mailbox.strike(code, Release));
    }
    /// 0: there is none.
    [[nodiscard]] char16_t read() const
    {
        InputKey key{};
        return failed(input->read_key(input, &key)) ? u'\0' : key.character;
    }

    testing::Console console{};
    testing::Firmware firmware{};
    TextInput* input = nullptr;
    TextInputEx* input_ex = nullptr;
};

/// What notify functions were told, and where.
std::vector<KeyData> told;
std::vector<Priority> told_at;
std::function<void()> when_told;
testing::Firmware* telling;

Status note(KeyData* key)
{
    told.push_back(*key);
    told_at.push_back(telling->priority());
    if (when_told) when_told();
    return success;
}

void register_any_b(Machine& m)
{
    told.clear();
    told_at.clear();
    when_told = {};
    telling = &m.firmware;
    KeyData wanted{{0, u'b'}, {0, 0}};
    void* registration = nullptr;
    REQUIRE(!failed(m.input_ex->register_notify(m.input_ex, &wanted, note, &registration)));
}

} // namespace

TEST_CASE("without a display there is no keyboard for firmware", "[efi]")
{
    testing::Firmware firmware;
    add_keyboard(firmware.boot, firmware.pci);
    CHECK(firmware.protocol<TextInput>() == nullptr);
}

TEST_CASE("a key is read at any priority, whether the timer has come by or not", "[efi]")
{
    Machine m;
    auto const priority = GENERATE(Priority::Application, Priority::Callback, Priority::Notify);
    bool const ticks = GENERATE(false, true);
    CHECK(m.read() == 0);
    m.type(ScanCode{0x1E});
    m.type(letter_b);
    m.firmware.at(priority, [&] {
        if (ticks) m.firmware.tick();
        CHECK(m.read() == u'a');
        KeyData key{};
        CHECK(m.input_ex->read_key(m.input_ex, &key) == success);
        CHECK(key.key.character == u'b');
        CHECK(m.input_ex->read_key(m.input_ex, &key) == not_ready);
        CHECK(m.read() == 0);
    });
}

TEST_CASE("the event to wait for sees a key that nobody has fetched", "[efi]")
{
    Machine m;
    auto const priority = GENERATE(Priority::Application, Priority::Callback);
    m.firmware.at(priority, [&] {
        CHECK_FALSE(m.firmware.check(m.input->wait_for_key));
        REQUIRE(m.console.mailbox.strike(ScanCode{0x1D}, Press)); // Control alone is no key
        CHECK_FALSE(m.firmware.check(m.input_ex->wait_for_key));
        m.type(letter_b);
        CHECK(m.firmware.check(m.input_ex->wait_for_key));
        CHECK(m.firmware.check(m.input->wait_for_key)); // it is still there
        CHECK(m.read() == 2);
        CHECK_FALSE(m.firmware.check(m.input->wait_for_key));
    });
}

TEST_CASE("who has registered for a key is told at his priority, whoever has fetched it", "[efi]")
{
    Machine m;
    register_any_b(m);
    m.type(ScanCode{0x1E});
    m.type(letter_b);
    bool const reads = GENERATE(false, true);
    m.firmware.at(Priority::Callback, [&] {
        if (reads)
            CHECK(m.read() == u'a');
        else
            m.firmware.tick();
        CHECK(told.empty());
    });
    REQUIRE(told.size() == 1);
    CHECK(told.front().key.character == u'b');
    CHECK(told_at.front() == Priority::Callback);
    m.firmware.tick();
    CHECK(told.size() == 1);
}

TEST_CASE("who is told of a key may read keys", "[efi]")
{
    Machine m;
    register_any_b(m);
    when_told = [&] {
        if (told.size() < 8) m.type(letter_b);
        CHECK(m.read() == u'b');
    };
    m.type(letter_b);
    m.firmware.tick();
    CHECK(told.size() == 8);
    CHECK(m.read() == 0);
}

TEST_CASE("keys that nobody is told of hold no keys up", "[efi]")
{
    Machine m;
    register_any_b(m);
    m.firmware.at(Priority::Callback, [&] {
        for (unsigned n = 0; n < 200; ++n) {
            m.type(letter_b);
            REQUIRE(m.read() == u'b');
        }
    });
    CHECK(!told.empty());
    CHECK(told.size() < 200);
}

TEST_CASE("what there is no room for in the driver waits outside", "[efi]")
{
    Machine m;
    constexpr unsigned many = 200;
    for (unsigned n = 0; n < many; ++n)
        m.type(n % 2 ? letter_b : ScanCode{0x1E});
    m.firmware.tick();
    unsigned read = 0;
    for (; read < many; ++read)
        REQUIRE(m.read() == (read % 2 ? u'b' : u'a'));
    CHECK(m.read() == 0);
}

TEST_CASE("a reset forgets what was typed, also what nobody has fetched", "[efi]")
{
    Machine m;
    m.type(letter_b);
    m.firmware.tick();
    m.type(letter_b);
    CHECK(m.input->reset(m.input, false) == success);
    CHECK(m.read() == 0);
    m.type(ScanCode{0x1E});
    CHECK(m.read() == u'a');
}

TEST_CASE("the keyboard ends with the firmware", "[efi]")
{
    Machine m;
    m.firmware.exit_boot_services();
    CHECK_FALSE(m.console.mailbox.strike(letter_b, Press));
}
