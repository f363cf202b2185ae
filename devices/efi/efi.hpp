/// As much of UEFI as the driver uses: UEFI Specification 2.10, sections as noted.
#pragma once

#include <stddef.h>
#include <stdint.h>

namespace efi {

using Handle = void*;

enum class Status : uint64_t {};
inline constexpr uint64_t error_bit = uint64_t{1} << 63;
inline constexpr Status success{0};
inline constexpr Status invalid_parameter{error_bit | 2};
inline constexpr Status unsupported{error_bit | 3};
inline constexpr Status bad_buffer_size{error_bit | 4};
inline constexpr Status buffer_too_small{error_bit | 5};
inline constexpr Status not_ready{error_bit | 6};
inline constexpr Status device_error{error_bit | 7};
inline constexpr Status write_protected{error_bit | 8};
inline constexpr Status out_of_resources{error_bit | 9};
inline constexpr Status media_changed{error_bit | 13};
inline constexpr Status not_found{error_bit | 14};
inline constexpr Status not_started{error_bit | 19};
inline constexpr Status already_started{error_bit | 20};

constexpr bool failed(Status status)
{
    return (static_cast<uint64_t>(status) & error_bit) != 0;
}

struct Guid {
    uint32_t a;
    uint16_t b;
    uint16_t c;
    uint8_t d[8];
};

struct TableHeader { // §4.2
    uint64_t signature;
    uint32_t revision;
    uint32_t size;
    uint32_t crc;
    uint32_t reserved;
};

enum class MemoryType : uint32_t { BootServicesData = 4 }; // §7.2.1
enum class Search : uint32_t { ByProtocol = 2 };           // §7.3.5

using Event = void*;
enum class Priority : size_t { Application = 4, Callback = 8, Notify = 16 }; // §7.1
enum class Timer : uint32_t { Periodic = 1 };                                // §7.1.7
inline constexpr uint32_t event_timer = 0x8000'0000;                         // §7.1.1
inline constexpr uint32_t event_notify_wait = 0x100;
inline constexpr uint32_t event_notify_signal = 0x200;
inline constexpr uint32_t event_exit_boot_services = 0x201;
using EventFunction = void (*)(Event event, void* context);

struct BootServices { // §4.4
    TableHeader header;
    Priority (*raise_priority)(Priority priority);
    void (*restore_priority)(Priority priority);
    void* pages[3];
    Status (*allocate_pool)(MemoryType type, size_t size, void** buffer);
    Status (*free_pool)(void* buffer);
    Status (*create_event)(uint32_t type, Priority priority, EventFunction function, void* context, Event* event);
    Status (*set_timer)(Event event, Timer type, uint64_t hundred_nanoseconds);
    void* wait_for_event;
    Status (*signal_event)(Event event);
    void* close_event;
    void* check_event;
    void* install_protocol_interface;
    void* reinstall_protocol_interface;
    void* uninstall_protocol_interface;
    Status (*handle_protocol)(Handle handle, Guid const* protocol, void** interface);
    void* reserved;
    void* register_protocol_notify;
    void* locate_handle;
    void* locate_device_path;
    void* install_configuration_table;
    void* images[5];
    void* get_next_monotonic_count;
    void* stall;
    void* set_watchdog_timer;
    Status (*connect_controller)(Handle controller, Handle* drivers, void* remaining_path, bool recursive);
    void* disconnect_controller;
    void* open_protocol;
    void* close_protocol;
    void* open_protocol_information;
    void* protocols_per_handle;
    Status (*locate_handle_buffer)(Search search, Guid const* protocol, void* key, size_t* count, Handle** handles);
    void* locate_protocol;
    Status (*install_multiple_protocol_interfaces)(Handle* handle, ...);
};
static_assert(offsetof(BootServices, allocate_pool) == 24 + 5 * 8);
static_assert(offsetof(BootServices, create_event) == 24 + 7 * 8);
static_assert(offsetof(BootServices, signal_event) == 24 + 10 * 8);
static_assert(offsetof(BootServices, connect_controller) == 24 + 30 * 8);
static_assert(offsetof(BootServices, handle_protocol) == 24 + 16 * 8);
static_assert(offsetof(BootServices, locate_handle_buffer) == 24 + 36 * 8);
static_assert(offsetof(BootServices, install_multiple_protocol_interfaces) == 24 + 38 * 8);

struct RuntimeServices { // §4.5
    TableHeader header;
    void* time[4];
    void* virtual_memory[2];
    Status (*get_variable)(char16_t* name, Guid const* vendor, uint32_t* attributes, size_t* size, void* data);
    void* get_next_variable_name;
    Status (*set_variable)(char16_t* name, Guid const* vendor, uint32_t attributes, size_t size, void const* data);
};
static_assert(offsetof(RuntimeServices, get_variable) == 24 + 6 * 8);
static_assert(offsetof(RuntimeServices, set_variable) == 24 + 8 * 8);

struct SystemTable { // §4.3
    TableHeader header;
    char16_t* vendor;
    uint32_t revision;
    Handle console_in_handle;
    void* console_in;
    Handle console_out_handle;
    void* console_out;
    Handle error_handle;
    void* error;
    RuntimeServices* runtime_services;
    BootServices* boot_services;
};
static_assert(offsetof(SystemTable, boot_services) == 96);

struct PciIo { // §14.4
    static constexpr Guid guid{0x4CF5B200, 0x68B8, 0x4CA5, {0x9E, 0xEC, 0xB2, 0x3E, 0x3F, 0x50, 0x02, 0x9A}};

    enum class Width : uint32_t { Dword = 2 };
    enum class AttributeOperation : uint32_t { Enable = 2 };
    static constexpr uint64_t attribute_memory = 0x0200;

    using Access = Status (*)(PciIo* self, Width width, uint8_t bar, uint64_t offset, size_t count, void* buffer);
    using ConfigAccess = Status (*)(PciIo* self, Width width, uint32_t offset, size_t count, void* buffer);

    void* poll[2];
    Access read_memory;
    Access write_memory;
    Access read_port;
    Access write_port;
    ConfigAccess read_config;
    ConfigAccess write_config;
    void* copy_memory;
    void* dma[5];
    void* get_location;
    Status (*attributes)(PciIo* self, AttributeOperation operation, uint64_t attributes, uint64_t* result);
};
static_assert(offsetof(PciIo, attributes) == 15 * 8);

struct BlockMedia { // §13.9
    uint32_t id;
    bool removable;
    bool present;
    bool logical_partition;
    bool read_only;
    bool write_caching;
    uint32_t block_size;
    uint32_t io_align;
    uint64_t last_block;
};
static_assert(sizeof(BlockMedia) == 32 && offsetof(BlockMedia, last_block) == 24);

struct BlockIo { // §13.9
    static constexpr Guid guid{0x964E5B21, 0x6459, 0x11D2, {0x8E, 0x39, 0x00, 0xA0, 0xC9, 0x69, 0x72, 0x3B}};
    static constexpr uint64_t first_revision = 0x0001'0000;

    uint64_t revision;
    BlockMedia* media;
    Status (*reset)(BlockIo* self, bool extended);
    Status (*read_blocks)(BlockIo* self, uint32_t media, uint64_t block, size_t size, void* buffer);
    Status (*write_blocks)(BlockIo* self, uint32_t media, uint64_t block, size_t size, void* buffer);
    Status (*flush_blocks)(BlockIo* self);
};

struct GraphicsMode { // §12.9.2.1, EFI_GRAPHICS_OUTPUT_MODE_INFORMATION
    enum class Format : uint32_t { BlueGreenRedReserved = 1 };

    uint32_t version;
    uint32_t width;
    uint32_t height;
    Format format;
    uint32_t masks[4]; ///< of another format
    uint32_t pixels_per_row;
};
static_assert(sizeof(GraphicsMode) == 36);

struct GraphicsOutput { // §12.9.2
    static constexpr Guid guid{0x9042A9DE, 0x23DC, 0x4A38, {0x96, 0xFB, 0x7A, 0xDE, 0xD0, 0x80, 0x51, 0x6A}};

    enum class Operation : uint32_t { Fill = 0, FromScreen = 1, ToScreen = 2, Move = 3 };

    struct Situation {
        uint32_t modes;
        uint32_t mode;
        GraphicsMode* information;
        size_t information_size;
        uint64_t memory; ///< guest-physical
        size_t memory_size;
    };

    Status (*query_mode)(GraphicsOutput* self, uint32_t mode, size_t* size, GraphicsMode** information);
    Status (*set_mode)(GraphicsOutput* self, uint32_t mode);
    Status (*block_transfer)(GraphicsOutput* self, uint32_t* buffer, Operation operation, size_t from_x,
                             size_t from_y, size_t to_x, size_t to_y, size_t width, size_t height, size_t row_bytes);
    Situation* situation;
};
static_assert(sizeof(GraphicsOutput::Situation) == 40 && offsetof(GraphicsOutput::Situation, memory) == 24);
static_assert(offsetof(GraphicsOutput, situation) == 24);

struct InputKey { // §12.3.1
    uint16_t scan_code;
    char16_t character;
};

struct KeyState { // §12.2.1
    uint32_t shift;
    uint8_t toggle;
};

struct KeyData {
    InputKey key;
    KeyState state;
};
static_assert(sizeof(KeyData) == 12 && offsetof(KeyData, state) == 4);

namespace shift_state {
inline constexpr uint32_t valid = 0x8000'0000;
inline constexpr uint32_t right_shift = 0x01;
inline constexpr uint32_t left_shift = 0x02;
inline constexpr uint32_t right_control = 0x04;
inline constexpr uint32_t left_control = 0x08;
inline constexpr uint32_t right_alt = 0x10;
inline constexpr uint32_t left_alt = 0x20;
inline constexpr uint32_t right_logo = 0x40;
inline constexpr uint32_t left_logo = 0x80;
} // namespace shift_state

namespace toggle_state {
inline constexpr uint8_t valid = 0x80;
inline constexpr uint8_t exposed = 0x40; ///< strokes of Shift and the like are told as keys
inline constexpr uint8_t caps_lock = 0x04;
} // namespace toggle_state

struct TextInput { // §12.3.1
    static constexpr Guid guid{0x387477C1, 0x69C7, 0x11D2, {0x8E, 0x39, 0x00, 0xA0, 0xC9, 0x69, 0x72, 0x3B}};

    Status (*reset)(TextInput* self, bool extended);
    Status (*read_key)(TextInput* self, InputKey* key);
    Event wait_for_key;
};

struct TextInputEx { // §12.2.1
    static constexpr Guid guid{0xDD9E7534, 0x7762, 0x4698, {0x8C, 0x14, 0xF5, 0x85, 0x17, 0xA6, 0x25, 0xAA}};

    using Notify = Status (*)(KeyData* key);

    Status (*reset)(TextInputEx* self, bool extended);
    Status (*read_key)(TextInputEx* self, KeyData* key);
    Event wait_for_key;
    Status (*set_state)(TextInputEx* self, uint8_t* toggle);
    Status (*register_notify)(TextInputEx* self, KeyData* key, Notify function, void** registration);
    Status (*unregister_notify)(TextInputEx* self, void* registration);
};
static_assert(offsetof(TextInputEx, unregister_notify) == 40);

struct AbsolutePointer { // §12.7
    static constexpr Guid guid{0x8D59D32B, 0xC655, 0x4AE9, {0x9B, 0x15, 0xF2, 0x59, 0x04, 0x99, 0x2A, 0x43}};

    struct Mode {
        static constexpr uint32_t has_alternative = 0x01;

        uint64_t min_x;
        uint64_t min_y;
        uint64_t min_z;
        uint64_t max_x;
        uint64_t max_y;
        uint64_t max_z;
        uint32_t attributes;
    };

    struct State {
        static constexpr uint32_t touch = 0x01;       ///< of a mouse: the left button
        static constexpr uint32_t alternative = 0x02; ///< the right one

        uint64_t x;
        uint64_t y;
        uint64_t z;
        uint32_t buttons;
    };

    Status (*reset)(AbsolutePointer* self, bool extended);
    Status (*get_state)(AbsolutePointer* self, State* state);
    Event wait_for_input;
    Mode* mode;
};
static_assert(offsetof(AbsolutePointer::Mode, attributes) == 48 && offsetof(AbsolutePointer::State, buttons) == 24);
static_assert(offsetof(AbsolutePointer, mode) == 24);

// Marks of edk2's on what is a console (MdeModulePkg/Include/Guid/ConsoleInDevice.h, ConsoleOutDevice.h).
inline constexpr Guid console_in_guid{0xD3B36F2B, 0xD551, 0x11D4, {0x9A, 0x46, 0x00, 0x90, 0x27, 0x3F, 0xC1, 0x4D}};
inline constexpr Guid console_out_guid{0xD3B36F2C, 0xD551, 0x11D4, {0x9A, 0x46, 0x00, 0x90, 0x27, 0x3F, 0xC1, 0x4D}};

inline constexpr Guid device_path_guid{0x09576E91, 0x6D3F, 0x11D2, {0x8E, 0x39, 0x00, 0xA0, 0xC9, 0x69, 0x72, 0x3B}};

} // namespace efi
