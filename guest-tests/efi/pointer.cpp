// A UEFI program that says where the firmware's pointer is and what is pressed, each time that changes, until its
// right button is: for scripts/tests.d/firmware-run. UEFI Specification 2.10, sections as noted.
#include <stddef.h>
#include <stdint.h>

namespace {

using Status = uint64_t; // 0: success

struct Guid {
    uint32_t a;
    uint16_t b;
    uint16_t c;
    uint8_t d[8];
};
constexpr Guid absolute_pointer{0x8D59D32B, 0xC655, 0x4AE9, {0x9B, 0x15, 0xF2, 0x59, 0x04, 0x99, 0x2A, 0x43}};

struct AbsolutePointer { // §12.7
    Status (*reset)(AbsolutePointer* self, bool extended);
    Status (*get_state)(AbsolutePointer* self, uint64_t* state); // X, Y, Z, and the buttons in a dword
    void* wait_for_input;
    uint64_t const* mode; // the least X, Y, Z, and the most
};

struct TextOutput { // §12.4
    void* reset;
    Status (*output_string)(TextOutput* self, char16_t const* text);
};

struct BootServices { // §4.4
    char before[24 + 12 * 8];
    Status (*check_event)(void* event);
    void* interfaces[3];
    Status (*handle_protocol)(void* handle, Guid const* protocol, void** interface);
};
static_assert(offsetof(BootServices, handle_protocol) == 24 + 16 * 8);

struct SystemTable { // §4.3
    char before[40];
    void* console_in;
    void* input;
    void* console_out;
    TextOutput* output;
    void* error[2];
    void* runtime_services;
    BootServices* boot_services;
};
static_assert(offsetof(SystemTable, boot_services) == 96);

void write(TextOutput& output, char16_t const* text)
{
    (void)output.output_string(&output, text);
}

void write(TextOutput& output, uint64_t number)
{
    char16_t digits[21];
    auto* first = digits + 20;
    *first = 0;
    do {
        *--first = static_cast<char16_t>(u'0' + number % 10);
        number /= 10;
    } while (number != 0);
    write(output, first);
}

void write_place(TextOutput& output, char16_t const* what, uint64_t x, uint64_t y)
{
    write(output, what);
    write(output, x);
    write(output, u" ");
    write(output, y);
}

// An address, so that the image has relocations: edk2 does not start one without.
Guid const* volatile wanted = &absolute_pointer;

} // namespace

extern "C" Status efi_main(void* /*image*/, SystemTable* system)
{
    auto& boot = *system->boot_services;
    auto& output = *system->output;
    auto const* const guid = wanted;
    void* found = nullptr;
    if (boot.handle_protocol(system->console_in, guid, &found) != 0) {
        write(output, u"no pointer\r\n");
        return 0;
    }
    auto& pointer = *static_cast<AbsolutePointer*>(found);
    write_place(output, u"pointer: from ", pointer.mode[0], pointer.mode[1]);
    write_place(output, u" to ", pointer.mode[3], pointer.mode[4]);
    write(output, u"\r\n");
    for (;;) {
        uint64_t state[4];
        if (boot.check_event(pointer.wait_for_input) != 0 || pointer.get_state(&pointer, state) != 0) continue;
        auto const buttons = static_cast<uint32_t>(state[3]);
        write_place(output, u"pointer: at ", state[0], state[1]);
        write(output, u", buttons ");
        write(output, buttons);
        write(output, u"\r\n");
        if ((buttons & 2) != 0) return 0;
    }
}
