#include "devices/efi/keyboard.hpp"

#include "devices/efi/device_path.hpp"
#include "devices/efi/keys.hpp"
#include "devices/efi/undisturbed.hpp"
#include "devices/firmware/console_protocol.hpp"

namespace efi {

namespace {

namespace console = devices::firmware::console;

constexpr uint64_t poll_interval = 200'000; ///< 20 ms
constexpr size_t most_keys = 64;            ///< that wait
constexpr size_t most_notifications = 16;

struct Notification {
    KeyData key;
    TextInputEx::Notify function; ///< nullptr: free
};

/// The first `count` from `first` on.
struct KeyRing {
    KeyData keys[most_keys];
    size_t first;
    size_t count;

    [[nodiscard]] bool full() const { return count == most_keys; }
    void add(KeyData const& key) { keys[(first + count++) % most_keys] = key; }
    [[nodiscard]] bool take(KeyData& key)
    {
        if (count == 0) return false;
        key = keys[first];
        first = (first + 1) % most_keys;
        --count;
        return true;
    }
};

/// Its memory is what protocols were installed with, and so stays where it is.
struct Keyboard {
    TextInput input;
    TextInputEx input_ex;
    KeyboardPath path;
    BootServices* boot;
    PciIo* mailbox;
    KeyTranslator translator;
    KeyRing keys;   ///< that nobody has read yet
    KeyRing untold; ///< that somebody has registered for
    Event telling;
    Notification notifications[most_notifications];
};

/// There is one, and the protocols' functions say no more than which protocol.
Keyboard* the_keyboard;

uint32_t next_stroke(Keyboard& keyboard)
{
    uint32_t stroke = 0;
    auto& pci = *keyboard.mailbox;
    auto const status = pci.read_memory(&pci, PciIo::Width::Dword, console::bar, console::key, 1, &stroke);
    return failed(status) ? 0 : stroke;
}

Status write_listening(Keyboard& keyboard, uint32_t listens)
{
    auto& pci = *keyboard.mailbox;
    return pci.write_memory(&pci, PciIo::Width::Dword, console::bar, console::keyboard, 1, &listens);
}

bool is_registered(Keyboard const& keyboard, KeyData const& key)
{
    for (auto const& one : keyboard.notifications)
        if (one.function != nullptr && matches(one.key, key)) return true;
    return false;
}

/// Undisturbed. The host keeps what there is no room for yet. What is told can be too much only for somebody
/// who lets nobody be told, and is not told then.
void fetch(Keyboard& keyboard)
{
    while (!keyboard.keys.full()) {
        auto const stroke = next_stroke(keyboard);
        if (stroke == 0) return;
        bool const release = (stroke & console::stroke_release) != 0;
        KeyData key; // NOLINT(*-member-init): the translator's to fill
        if (!keyboard.translator.stroke(stroke & console::stroke_code, release, key)) continue;
        keyboard.keys.add(key);
        if (keyboard.untold.full() || !is_registered(keyboard, key)) continue;
        keyboard.untold.add(key);
        (void)keyboard.boot->signal_event(keyboard.telling);
    }
}

/// For those who wait to be told: everybody else looks by himself, also where no timer's function can run.
void poll(Event, void*)
{
    Undisturbed const undisturbed{*the_keyboard->boot};
    fetch(*the_keyboard);
}

bool take(KeyData& key)
{
    Undisturbed const undisturbed{*the_keyboard->boot};
    fetch(*the_keyboard);
    return the_keyboard->keys.take(key);
}

void wait_for_key(Event event, void*)
{
    Undisturbed const undisturbed{*the_keyboard->boot};
    fetch(*the_keyboard);
    if (the_keyboard->keys.count != 0) (void)the_keyboard->boot->signal_event(event);
}

bool take_untold(KeyData& key)
{
    Undisturbed const undisturbed{*the_keyboard->boot};
    return the_keyboard->untold.take(key);
}

/// At Callback, whoever has fetched the key.
void tell(Event, void*)
{
    KeyData key; // NOLINT(*-member-init)
    while (take_untold(key)) {
        for (auto const& one : the_keyboard->notifications) {
            if (one.function == nullptr || !matches(one.key, key)) continue;
            auto told = key;
            (void)one.function(&told);
        }
    }
}

void end(Event, void*)
{
    (void)write_listening(*the_keyboard, 0);
}

/// Nothing waits any more, nothing is pressed.
Status reset(bool)
{
    Undisturbed const undisturbed{*the_keyboard->boot};
    fetch(*the_keyboard);
    the_keyboard->keys.count = the_keyboard->untold.count = 0;
    the_keyboard->translator.release_all();
    return success;
}

Status reset_input(TextInput*, bool extended)
{
    return reset(extended);
}

Status reset_input_ex(TextInputEx*, bool extended)
{
    return reset(extended);
}

Status read_key(TextInput*, InputKey* key)
{
    KeyData taken; // NOLINT(*-member-init)
    if (key == nullptr) return invalid_parameter;
    if (!take(taken)) return not_ready;
    *key = control_character(taken);
    return success;
}

Status read_key_ex(TextInputEx*, KeyData* key)
{
    if (key == nullptr) return invalid_parameter;
    if (take(*key)) return success;
    *key = {{0, 0}, {0, 0}};
    return not_ready;
}

/// §12.2.4. Strokes of Shift and the like are not told as keys here.
Status set_state(TextInputEx*, uint8_t* toggle)
{
    if (toggle == nullptr) return invalid_parameter;
    constexpr uint8_t known = toggle_state::valid | toggle_state::caps_lock;
    if ((*toggle & toggle_state::valid) == 0 || (*toggle & ~known) != 0) return unsupported;
    the_keyboard->translator.set_caps_lock((*toggle & toggle_state::caps_lock) != 0);
    return success;
}

/// §12.2.5.
Status register_notify(TextInputEx*, KeyData* key, TextInputEx::Notify function, void** registration)
{
    if (key == nullptr || function == nullptr || registration == nullptr) return invalid_parameter;
    Undisturbed const undisturbed{*the_keyboard->boot};
    for (auto& one : the_keyboard->notifications) {
        if (one.function != nullptr) continue;
        one = {*key, function};
        *registration = &one;
        return success;
    }
    return out_of_resources;
}

/// §12.2.6.
Status unregister_notify(TextInputEx*, void* registration)
{
    Undisturbed const undisturbed{*the_keyboard->boot};
    for (auto& one : the_keyboard->notifications) {
        if (&one != registration || one.function == nullptr) continue;
        one.function = nullptr;
        return success;
    }
    return invalid_parameter;
}

void initialise(Keyboard& keyboard, BootServices& boot, PciIo& pci)
{
    keyboard.input = {reset_input, read_key, nullptr};
    keyboard.input_ex = {reset_input_ex, read_key_ex, nullptr, set_state, register_notify, unregister_notify};
    keyboard.path = {};
    keyboard.boot = &boot;
    keyboard.mailbox = &pci;
    keyboard.translator = {};
    keyboard.keys.first = keyboard.keys.count = 0;
    keyboard.untold.first = keyboard.untold.count = 0;
    for (auto& one : keyboard.notifications)
        one.function = nullptr;
}

/// What fails here leaves events behind that find no keys.
bool begin(Keyboard& keyboard)
{
    auto& boot = *keyboard.boot;
    Event timer = nullptr;
    Event ending = nullptr;
    return !failed(boot.create_event(event_notify_wait, Priority::Notify, wait_for_key, nullptr,
                                     &keyboard.input.wait_for_key)) &&
           !failed(boot.create_event(event_notify_wait, Priority::Notify, wait_for_key, nullptr,
                                     &keyboard.input_ex.wait_for_key)) &&
           !failed(boot.create_event(event_notify_signal, Priority::Callback, tell, nullptr, &keyboard.telling)) &&
           !failed(boot.create_event(event_exit_boot_services, Priority::Callback, end, nullptr, &ending)) &&
           !failed(boot.create_event(event_timer | event_notify_signal, Priority::Callback, poll, nullptr, &timer)) &&
           !failed(boot.set_timer(timer, Timer::Periodic, poll_interval)) && !failed(write_listening(keyboard, 1));
}

} // namespace

void add_keyboard(BootServices& boot, PciIo& pci)
{
    uint32_t there = 0;
    void* memory = nullptr;
    if (failed(pci.read_memory(&pci, PciIo::Width::Dword, console::bar, console::keyboard, 1, &there)) ||
        failed(boot.allocate_pool(MemoryType::BootServicesData, sizeof(Keyboard), &memory)))
        return;
    auto& keyboard = *static_cast<Keyboard*>(memory);
    initialise(keyboard, boot, pci);
    the_keyboard = &keyboard;
    Handle handle = nullptr;
    if (begin(keyboard) && !failed(boot.install_multiple_protocol_interfaces(
                               &handle, &device_path_guid, &keyboard.path, &TextInput::guid, &keyboard.input,
                               &TextInputEx::guid, &keyboard.input_ex, &console_in_guid, nullptr, nullptr)))
        (void)boot.connect_controller(handle, nullptr, nullptr, true);
}

} // namespace efi
