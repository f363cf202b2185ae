/// Layouts of the SMBIOS structures that a guest is given (DMTF DSP0134 3.7, sections as noted; as long as in SMBIOS
/// 3.0). All fields are little-endian. A field named after a text has the text's number, 0 for none.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

namespace vmm::smbios {

#pragma pack(push, 1)

/// The 64-bit entry point, §5.2.2.
struct EntryPoint {
    std::array<char, 5> anchor{'_', 'S', 'M', '3', '_'};
    std::uint8_t checksum = 0;
    std::uint8_t length = sizeof(EntryPoint);
    std::uint8_t major = 3;
    std::uint8_t minor = 0;
    std::uint8_t document_revision = 0;
    std::uint8_t revision = 1; ///< of the entry point
    std::uint8_t reserved = 0;
    std::uint32_t size; ///< bytes of all structures
    std::uint64_t address;
};
static_assert(sizeof(EntryPoint) == 24);

/// §6.1.2
struct Header {
    std::uint8_t type;
    std::uint8_t length; ///< without texts
    std::uint16_t handle;
};
static_assert(sizeof(Header) == 4);

/// §7.1
struct Bios {
    static constexpr std::uint8_t type = 0;
    static constexpr std::uint64_t no_characteristics = 1U << 3; ///< §7.1.1: they are not told
    static constexpr std::uint8_t virtual_machine = 1U << 4;     ///< §7.1.2.2

    Header header;
    std::uint8_t vendor;
    std::uint8_t version;
    std::uint16_t segment; ///< where its code begins in the first MiB
    std::uint8_t date;
    std::uint8_t rom_size = 0; ///< 64 KiB
    std::uint64_t characteristics = no_characteristics;
    std::array<std::uint8_t, 2> more_characteristics{0, virtual_machine};
    std::array<std::uint8_t, 2> release{0xFF, 0xFF}; ///< not told
    std::array<std::uint8_t, 2> controller_release{0xFF, 0xFF};
};
static_assert(sizeof(Bios) == 0x18);

/// §7.2
struct System {
    static constexpr std::uint8_t type = 1;
    static constexpr std::uint8_t power_switch = 6; ///< §7.2.2: by what it was woken

    Header header;
    std::uint8_t vendor;
    std::uint8_t product;
    std::uint8_t version;
    std::uint8_t serial;
    std::array<std::uint8_t, 16> uuid; ///< §7.2.1: the first three fields little-endian
    std::uint8_t woken_by = power_switch;
    std::uint8_t sku;
    std::uint8_t family;
};
static_assert(sizeof(System) == 0x1B && offsetof(System, uuid) == 8);

/// §7.4
struct Chassis {
    static constexpr std::uint8_t type = 3;
    static constexpr std::uint8_t other = 1; ///< §7.4.1
    static constexpr std::uint8_t safe = 3;  ///< §7.4.2
    static constexpr std::uint8_t none = 3;  ///< §7.4.3: no lock

    Header header;
    std::uint8_t vendor;
    std::uint8_t kind = other;
    std::uint8_t version;
    std::uint8_t serial;
    std::uint8_t asset;
    std::uint8_t boot_state = safe;
    std::uint8_t power_state = safe;
    std::uint8_t thermal_state = safe;
    std::uint8_t security = none;
    std::uint32_t oem_defined = 0;
    std::uint8_t height = 0;
    std::uint8_t power_cords = 0;
    std::uint8_t contained = 0;
    std::uint8_t contained_length = 0;
    std::uint8_t sku = 0;
};
static_assert(sizeof(Chassis) == 0x16);

/// §7.5
struct Processor {
    static constexpr std::uint8_t type = 4;
    static constexpr std::uint8_t central = 3;        ///< §7.5.1
    static constexpr std::uint8_t unknown = 2;        ///< §7.5.2, §7.5.5
    static constexpr std::uint8_t enabled = 0x41;     ///< §7.5: populated, and in use
    static constexpr std::uint16_t no_cache = 0xFFFF; ///< §7.5: a handle of none
    static constexpr std::uint16_t has_64_bit = 1U << 2;
    static constexpr std::uint16_t multi_core = 1U << 3; ///< §7.5.9
    static constexpr std::uint16_t hardware_thread = 1U << 4;

    Header header;
    std::uint8_t socket;
    std::uint8_t kind = central;
    std::uint8_t family = unknown;
    std::uint8_t vendor;
    std::array<std::uint32_t, 2> id; ///< §7.5.3: EAX and EDX of CPUID leaf 1
    std::uint8_t version;
    std::uint8_t voltage = 0;
    std::uint16_t external_clock = 0;
    std::uint16_t max_speed = 0;
    std::uint16_t speed = 0;
    std::uint8_t status = enabled;
    std::uint8_t upgrade = unknown;
    std::array<std::uint16_t, 3> caches{no_cache, no_cache, no_cache};
    std::uint8_t serial = 0;
    std::uint8_t asset = 0;
    std::uint8_t part = 0;
    std::uint8_t cores; ///< 0xFF for more
    std::uint8_t enabled_cores;
    std::uint8_t threads;
    std::uint16_t characteristics;
    std::uint16_t family_2 = unknown;
    std::uint16_t cores_2;
    std::uint16_t enabled_cores_2;
    std::uint16_t threads_2;
};
static_assert(sizeof(Processor) == 0x30);

/// §7.12
struct OemStrings {
    static constexpr std::uint8_t type = 11;

    Header header;
    std::uint8_t count;
};
static_assert(sizeof(OemStrings) == 5);

/// §7.17
struct MemoryArray {
    static constexpr std::uint8_t type = 16;
    static constexpr std::uint8_t other = 1;               ///< §7.17.1
    static constexpr std::uint8_t system_memory = 3;       ///< §7.17.2
    static constexpr std::uint8_t no_correction = 3;       ///< §7.17.3
    static constexpr std::uint32_t extended = 0x8000'0000; ///< `more_capacity` says it
    static constexpr std::uint16_t no_errors = 0xFFFE;     ///< §7.17: a handle of none

    Header header;
    std::uint8_t location = other;
    std::uint8_t use = system_memory;
    std::uint8_t correction = no_correction;
    std::uint32_t capacity = extended; ///< KiB
    std::uint16_t errors = no_errors;
    std::uint16_t devices = 1;
    std::uint64_t more_capacity; ///< bytes
};
static_assert(sizeof(MemoryArray) == 0x17);

/// §7.18
struct MemoryDevice {
    static constexpr std::uint8_t type = 17;
    static constexpr std::uint16_t unknown_width = 0xFFFF;
    static constexpr std::uint16_t extended = 0x7FFF; ///< `more_size` says it
    static constexpr std::uint8_t dimm = 9;           ///< §7.18.1
    static constexpr std::uint8_t ram = 7;            ///< §7.18.2
    static constexpr std::uint16_t other = 1U << 1;   ///< §7.18.3

    Header header;
    std::uint16_t array;
    std::uint16_t errors = MemoryArray::no_errors;
    std::uint16_t total_width = unknown_width;
    std::uint16_t data_width = unknown_width;
    std::uint16_t size; ///< MiB
    std::uint8_t form = dimm;
    std::uint8_t set = 0;
    std::uint8_t locator;
    std::uint8_t bank = 0;
    std::uint8_t kind = ram;
    std::uint16_t detail = other;
    std::uint16_t speed = 0;
    std::uint8_t vendor;
    std::uint8_t serial = 0;
    std::uint8_t asset = 0;
    std::uint8_t part = 0;
    std::uint8_t ranks = 0;
    std::uint32_t more_size; ///< MiB
    std::uint16_t configured_speed = 0;
    std::array<std::uint16_t, 3> voltages{};
};
static_assert(sizeof(MemoryDevice) == 0x28);

/// §7.20
struct MemoryRangeOfArray {
    static constexpr std::uint8_t type = 19;
    static constexpr std::uint32_t extended = 0xFFFF'FFFF; ///< `first` and `last` say it

    Header header;
    std::uint32_t first_kib = extended;
    std::uint32_t last_kib = extended;
    std::uint16_t array;
    std::uint8_t partition_width = 1;
    std::uint64_t first; ///< byte
    std::uint64_t last;
};
static_assert(sizeof(MemoryRangeOfArray) == 0x1F);

/// §7.33
struct BootInformation {
    static constexpr std::uint8_t type = 32;

    Header header;
    std::array<std::uint8_t, 6> reserved{};
    std::uint8_t status = 0; ///< no errors
};
static_assert(sizeof(BootInformation) == 0x0B);

/// §7.45
struct End {
    static constexpr std::uint8_t type = 127;

    Header header;
};

#pragma pack(pop)

} // namespace vmm::smbios
