#include "devices/efi/graphics.hpp"

#include "devices/efi/device_path.hpp"
#include "devices/firmware/console_protocol.hpp"

namespace efi {

namespace {

namespace console = devices::firmware::console;

struct Size {
    uint32_t width;
    uint32_t height;
};

/// Mode 0 is the screen's first one. OVMF looks for 1280 by 800 unless it was built otherwise.
constexpr Size sizes[] = {{1024, 768}, {640, 480},   {800, 600},   {1280, 720}, // NOLINT(*-avoid-c-arrays)
                          {1280, 800}, {1280, 1024}, {1600, 1200}, {1920, 1080}};
constexpr uint32_t most_modes = sizeof sizes / sizeof sizes[0];

/// Its memory is what protocols were installed with, and so stays where it is.
struct Screen {
    GraphicsOutput output; ///< first: the protocol's functions find the screen by it
    GraphicsOutput::Situation situation;
    GraphicsMode information;
    ScreenPath path;
    GraphicsMode modes[most_modes];
    BootServices* boot;
    PciIo* mailbox;
};

Screen& screen_of(GraphicsOutput* self)
{
    return *reinterpret_cast<Screen*>(self);
}

bool read_register(PciIo& pci, uint32_t offset, uint32_t& value)
{
    return !failed(pci.read_memory(&pci, PciIo::Width::Dword, console::bar, offset, 1, &value));
}

/// §12.9.2.1. The caller frees what it is given.
Status query_mode(GraphicsOutput* self, uint32_t mode, size_t* size, GraphicsMode** information)
{
    auto& screen = screen_of(self);
    if (size == nullptr || information == nullptr || mode >= screen.situation.modes) return invalid_parameter;
    void* memory = nullptr;
    auto const status = screen.boot->allocate_pool(MemoryType::BootServicesData, sizeof(GraphicsMode), &memory);
    if (failed(status)) return out_of_resources;
    *static_cast<GraphicsMode*>(memory) = screen.modes[mode];
    *information = static_cast<GraphicsMode*>(memory);
    *size = sizeof(GraphicsMode);
    return success;
}

uint32_t* row_of(Screen const& screen, size_t y)
{
    return reinterpret_cast<uint32_t*>(screen.situation.memory) + y * screen.information.pixels_per_row;
}

void fill(uint32_t* row, uint32_t pixel, size_t count)
{
    for (size_t x = 0; x < count; ++x)
        row[x] = pixel;
}

/// §12.9.2.2. It begins black.
Status set_mode(GraphicsOutput* self, uint32_t mode)
{
    auto& screen = screen_of(self);
    if (mode >= screen.situation.modes) return unsupported;
    auto const& wanted = screen.modes[mode];
    auto& pci = *screen.mailbox;
    auto value = wanted.width | wanted.height << 16;
    if (failed(pci.write_memory(&pci, PciIo::Width::Dword, console::bar, console::mode, 1, &value)))
        return device_error;
    screen.information = wanted;
    screen.situation.mode = mode;
    screen.situation.memory_size = size_t{wanted.width} * wanted.height * console::bytes_per_pixel;
    for (size_t y = 0; y < wanted.height; ++y)
        fill(row_of(screen, y), 0, wanted.width);
    return success;
}

/// So much of a picture, from a place in it on.
struct Part {
    size_t x;
    size_t y;
    size_t width;
    size_t height;
};

bool on_screen(Screen const& screen, Part const& part)
{
    auto const width = screen.information.width;
    auto const height = screen.information.height;
    return part.width <= width && part.x <= width - part.width && part.height <= height &&
           part.y <= height - part.height;
}

/// Pixels in rows.
struct Rows {
    uint32_t* first;
    size_t row_bytes;

    [[nodiscard]] uint32_t* at(size_t x, size_t y) const
    {
        return reinterpret_cast<uint32_t*>(reinterpret_cast<uint8_t*>(first) + y * row_bytes) + x;
    }
};

/// Both may be of the same picture, and lie over each other.
void move(Rows const& to, Part const& part, Rows const& from, size_t from_x, size_t from_y)
{
    bool const backwards = to.at(part.x, part.y) > from.at(from_x, from_y);
    for (size_t n = 0; n < part.height; ++n) {
        auto const y = backwards ? part.height - 1 - n : n;
        auto* const target = to.at(part.x, part.y + y);
        auto const* const source = from.at(from_x, from_y + y);
        if (backwards) {
            for (auto x = part.width; x != 0; --x)
                target[x - 1] = source[x - 1];
        } else {
            for (size_t x = 0; x < part.width; ++x)
                target[x] = source[x];
        }
    }
}

/// §12.9.2.3.
Status block_transfer(GraphicsOutput* self, uint32_t* buffer, GraphicsOutput::Operation operation, size_t from_x,
                      size_t from_y, size_t to_x, size_t to_y, size_t width, size_t height, size_t row_bytes)
{
    using Operation = GraphicsOutput::Operation;
    auto& screen = screen_of(self);
    bool const from_screen = operation == Operation::FromScreen || operation == Operation::Move;
    bool const to_screen = operation != Operation::FromScreen;
    Part const from{from_x, from_y, width, height};
    Part const to{to_x, to_y, width, height};
    if (operation > Operation::Move || width == 0 || height == 0) return invalid_parameter;
    if (operation != Operation::Move && buffer == nullptr) return invalid_parameter;
    if ((from_screen && !on_screen(screen, from)) || (to_screen && !on_screen(screen, to))) return invalid_parameter;

    Rows const picture{row_of(screen, 0), size_t{screen.information.width} * console::bytes_per_pixel};
    Rows const given{buffer, row_bytes != 0 ? row_bytes : width * console::bytes_per_pixel};
    if (operation == Operation::Fill) {
        for (size_t y = 0; y < height; ++y)
            fill(picture.at(to_x, to_y + y), *buffer, width);
    } else {
        move(to_screen ? picture : given, to, from_screen ? picture : given, from_x, from_y);
    }
    return success;
}

/// False when there is no screen.
bool find_modes(Screen& screen)
{
    uint32_t low = 0;
    uint32_t high = 0;
    uint32_t bytes = 0;
    if (!read_register(*screen.mailbox, console::screen_low, low) ||
        !read_register(*screen.mailbox, console::screen_high, high) ||
        !read_register(*screen.mailbox, console::screen_bytes, bytes))
        return false;
    uint32_t count = 0;
    for (auto const& size : sizes) {
        if (uint64_t{size.width} * size.height * console::bytes_per_pixel > bytes) continue;
        screen.modes[count++] = {.version = 0,
                                 .width = size.width,
                                 .height = size.height,
                                 .format = GraphicsMode::Format::BlueGreenRedReserved,
                                 .masks = {},
                                 .pixels_per_row = size.width};
    }
    screen.situation = {.modes = count,
                        .mode = 0,
                        .information = &screen.information,
                        .information_size = sizeof screen.information,
                        .memory = low | uint64_t{high} << 32,
                        .memory_size = 0};
    return count != 0;
}

} // namespace

void add_screen(BootServices& boot, PciIo& pci)
{
    void* memory = nullptr;
    if (failed(boot.allocate_pool(MemoryType::BootServicesData, sizeof(Screen), &memory))) return;
    auto& screen = *static_cast<Screen*>(memory);
    screen.output = {query_mode, set_mode, block_transfer, &screen.situation};
    screen.path = {};
    screen.boot = &boot;
    screen.mailbox = &pci;
    Handle handle = nullptr;
    if (!find_modes(screen) || failed(set_mode(&screen.output, 0)) ||
        failed(boot.install_multiple_protocol_interfaces(&handle, &device_path_guid, &screen.path,
                                                         &GraphicsOutput::guid, &screen.output, &console_out_guid,
                                                         nullptr, nullptr))) {
        (void)boot.free_pool(memory);
        return;
    }
    // The firmware's drivers for text on screens, and for several consoles as one: they take it as it is marked.
    (void)boot.connect_controller(handle, nullptr, nullptr, true);
}

} // namespace efi
