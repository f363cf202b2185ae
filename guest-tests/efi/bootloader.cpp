// A UEFI boot loader that says on the first serial port that it runs, and waits to be ended: for scripts/bench. It
// does not ask the firmware for anything, whose consoles would take their time.
#include <stdint.h>

namespace {

constexpr uint16_t data = 0x3F8;
constexpr uint16_t line_status = data + 5;
constexpr uint8_t transmitter_empty = 0x20;
constexpr char text[] = "\r\nthe boot loader runs\r\n";
// An address, so that the image has relocations: edk2 does not start one without.
char const* volatile begin = text;

uint8_t in(uint16_t port)
{
    uint8_t value = 0;
    asm volatile("inb %1, %0" : "=a"(value) : "d"(port));
    return value;
}

void out(uint16_t port, uint8_t value)
{
    asm volatile("outb %0, %1" : : "a"(value), "d"(port));
}

} // namespace

extern "C" [[noreturn]] uint64_t efi_main(void* /*image*/, void* /*system*/)
{
    for (auto const* next = begin; *next != 0; ++next) {
        while ((in(line_status)&transmitter_empty) == 0) {
        }
        out(data, static_cast<uint8_t>(*next));
    }
    for (;;)
        asm volatile("cli; hlt");
}
