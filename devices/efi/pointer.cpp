#include "devices/efi/pointer.hpp"

#include "devices/efi/device_path.hpp"
#include "devices/efi/undisturbed.hpp"
#include "devices/firmware/console_protocol.hpp"

namespace efi {

namespace {

namespace console = devices::firmware::console;

/// Its memory is what protocols were installed with, and so stays where it is.
struct Pointer {
    AbsolutePointer protocol; ///< first: the protocol's functions find the pointer by it
    AbsolutePointer::Mode mode;
    PointerPath path;
    BootServices* boot;
    PciIo* mailbox;
    AbsolutePointer::State state; ///< of the last report
    bool changed;                 ///< since somebody has asked
};

Pointer& pointer_of(AbsolutePointer* self)
{
    return *reinterpret_cast<Pointer*>(self);
}

bool read_register(Pointer& pointer, uint32_t offset, uint32_t& value)
{
    auto& pci = *pointer.mailbox;
    return !failed(pci.read_memory(&pci, PciIo::Width::Dword, console::bar, offset, 1, &value));
}

Status write_listening(Pointer& pointer, uint32_t listens)
{
    auto& pci = *pointer.mailbox;
    return pci.write_memory(&pci, PciIo::Width::Dword, console::bar, console::pointer, 1, &listens);
}

/// Undisturbed. One report at a time, so that a click is seen as one however late somebody asks.
void fetch(Pointer& pointer)
{
    uint32_t report = 0;
    uint32_t place = 0;
    if (pointer.changed || !read_register(pointer, console::report, report) || report == 0 ||
        !read_register(pointer, console::report_place, place))
        return;
    pointer.state = {.x = place & 0xFFFF,
                     .y = place >> 16,
                     .z = 0,
                     .buttons = report & (AbsolutePointer::State::touch | AbsolutePointer::State::alternative)};
    pointer.changed = true;
}

/// §12.7.2. What was reported so far is gone.
Status reset(AbsolutePointer* self, bool)
{
    auto& pointer = pointer_of(self);
    Undisturbed const undisturbed{*pointer.boot};
    pointer.state = {};
    pointer.changed = false;
    return failed(write_listening(pointer, 1)) ? device_error : success;
}

/// §12.7.3.
Status get_state(AbsolutePointer* self, AbsolutePointer::State* state)
{
    if (state == nullptr) return invalid_parameter;
    auto& pointer = pointer_of(self);
    Undisturbed const undisturbed{*pointer.boot};
    fetch(pointer);
    if (!pointer.changed) return not_ready;
    *state = pointer.state;
    pointer.changed = false;
    return success;
}

void wait_for_input(Event event, void* context)
{
    auto& pointer = *static_cast<Pointer*>(context);
    Undisturbed const undisturbed{*pointer.boot};
    fetch(pointer);
    if (pointer.changed) (void)pointer.boot->signal_event(event);
}

void end(Event, void* context)
{
    (void)write_listening(*static_cast<Pointer*>(context), 0);
}

void initialise(Pointer& pointer, BootServices& boot, PciIo& pci)
{
    pointer.protocol = {reset, get_state, nullptr, &pointer.mode};
    pointer.mode = {.min_x = 0,
                    .min_y = 0,
                    .min_z = 0,
                    .max_x = console::most_place,
                    .max_y = console::most_place,
                    .max_z = 0, // there is none
                    .attributes = AbsolutePointer::Mode::has_alternative};
    pointer.path = {};
    pointer.boot = &boot;
    pointer.mailbox = &pci;
    pointer.state = {};
    pointer.changed = false;
}

/// What fails here leaves events behind that find no reports.
bool begin(Pointer& pointer)
{
    auto& boot = *pointer.boot;
    Event ending = nullptr;
    return !failed(boot.create_event(event_notify_wait, Priority::Notify, wait_for_input, &pointer,
                                     &pointer.protocol.wait_for_input)) &&
           !failed(boot.create_event(event_exit_boot_services, Priority::Callback, end, &pointer, &ending)) &&
           !failed(write_listening(pointer, 1));
}

} // namespace

void add_pointer(BootServices& boot, PciIo& pci)
{
    uint32_t there = 0;
    void* memory = nullptr;
    if (failed(pci.read_memory(&pci, PciIo::Width::Dword, console::bar, console::pointer, 1, &there)) ||
        failed(boot.allocate_pool(MemoryType::BootServicesData, sizeof(Pointer), &memory)))
        return;
    auto& pointer = *static_cast<Pointer*>(memory);
    initialise(pointer, boot, pci);
    Handle handle = nullptr;
    // The firmware's driver for several consoles as one takes it without a mark.
    if (begin(pointer) &&
        !failed(boot.install_multiple_protocol_interfaces(&handle, &device_path_guid, &pointer.path,
                                                          &AbsolutePointer::guid, &pointer.protocol, nullptr)))
        (void)boot.connect_controller(handle, nullptr, nullptr, true);
}

} // namespace efi
