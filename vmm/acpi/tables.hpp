/// Layouts of the ACPI tables that a guest is given (ACPI 6.5, sections as noted). All fields are little-endian.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

namespace vmm::acpi {

template <std::size_t N>
using Text = std::array<char, N>;

#pragma pack(push, 1)

/// RSDP, §5.2.5.3
struct RootPointer {
    Text<8> signature;
    std::uint8_t checksum; ///< of the first 20 bytes
    Text<6> oem_id;
    std::uint8_t revision;
    std::uint32_t rsdt_address;
    std::uint32_t length;
    std::uint64_t xsdt_address;
    std::uint8_t extended_checksum; ///< of all 36 bytes
    std::array<std::uint8_t, 3> reserved;
};
static_assert(sizeof(RootPointer) == 36);

/// §5.2.6
struct TableHeader {
    Text<4> signature;
    std::uint32_t length;
    std::uint8_t revision;
    std::uint8_t checksum;
    Text<6> oem_id;
    Text<8> oem_table_id;
    std::uint32_t oem_revision;
    Text<4> creator_id;
    std::uint32_t creator_revision;
};
static_assert(sizeof(TableHeader) == 36);

/// GAS, §5.2.3.2
struct GenericAddress {
    std::uint8_t space; ///< 1: system I/O
    std::uint8_t bit_width;
    std::uint8_t bit_offset;
    std::uint8_t access_size; ///< 1: byte, 2: word, 3: dword
    std::uint64_t address;
};
static_assert(sizeof(GenericAddress) == 12);

/// FADT, §5.2.9
struct FixedDescription {
    TableHeader header;
    std::uint32_t facs_address;
    std::uint32_t dsdt_address;
    std::uint8_t reserved_44;
    std::uint8_t preferred_pm_profile;
    std::uint16_t sci_interrupt;
    std::uint32_t smi_command;
    std::uint8_t acpi_enable;
    std::uint8_t acpi_disable;
    std::uint8_t s4bios_request;
    std::uint8_t pstate_control;
    std::uint32_t pm1a_event_block;
    std::uint32_t pm1b_event_block;
    std::uint32_t pm1a_control_block;
    std::uint32_t pm1b_control_block;
    std::uint32_t pm2_control_block;
    std::uint32_t pm_timer_block;
    std::uint32_t gpe0_block;
    std::uint32_t gpe1_block;
    std::uint8_t pm1_event_length;
    std::uint8_t pm1_control_length;
    std::uint8_t pm2_control_length;
    std::uint8_t pm_timer_length;
    std::uint8_t gpe0_length;
    std::uint8_t gpe1_length;
    std::uint8_t gpe1_base;
    std::uint8_t cstate_control;
    std::uint16_t c2_latency; ///< microseconds; more than 100: no C2
    std::uint16_t c3_latency; ///< microseconds; more than 1000: no C3
    std::uint16_t flush_size;
    std::uint16_t flush_stride;
    std::uint8_t duty_offset;
    std::uint8_t duty_width;
    std::uint8_t day_alarm;
    std::uint8_t month_alarm;
    std::uint8_t century;
    std::uint16_t boot_architecture; ///< IAPC_BOOT_ARCH, §5.2.9.3
    std::uint8_t reserved_111;
    std::uint32_t flags; ///< §5.2.9, table 5.10
    GenericAddress reset_register;
    std::uint8_t reset_value;
    std::uint16_t arm_boot_architecture;
    std::uint8_t minor_revision;
    std::uint64_t x_facs_address;
    std::uint64_t x_dsdt_address;
    GenericAddress x_pm1a_event_block;
    GenericAddress x_pm1b_event_block;
    GenericAddress x_pm1a_control_block;
    GenericAddress x_pm1b_control_block;
    GenericAddress x_pm2_control_block;
    GenericAddress x_pm_timer_block;
    GenericAddress x_gpe0_block;
    GenericAddress x_gpe1_block;
    GenericAddress sleep_control;
    GenericAddress sleep_status;
    Text<8> hypervisor_id;
};
static_assert(sizeof(FixedDescription) == 276 && offsetof(FixedDescription, flags) == 112 &&
              offsetof(FixedDescription, x_facs_address) == 132);

/// FACS, §5.2.10: no header, no checksum; 64-byte aligned.
struct FirmwareControl {
    Text<4> signature;
    std::uint32_t length;
    std::uint32_t hardware_signature;
    std::uint32_t waking_vector;
    std::uint32_t global_lock;
    std::uint32_t flags;
    std::uint64_t x_waking_vector;
    std::uint8_t version;
    std::array<std::uint8_t, 31> reserved;
};
static_assert(sizeof(FirmwareControl) == 64);

/// MADT, §5.2.12; the structures below follow it.
struct InterruptControllers {
    TableHeader header;
    std::uint32_t local_apic_address;
    std::uint32_t flags; ///< bit 0: there are 8259s too
};
static_assert(sizeof(InterruptControllers) == 44);

/// §5.2.12.2
struct LocalApic {
    std::uint8_t type = 0;
    std::uint8_t length = sizeof(LocalApic);
    std::uint8_t processor_uid;
    std::uint8_t apic_id;
    std::uint32_t flags = 1; ///< bit 0: enabled
};
static_assert(sizeof(LocalApic) == 8);

/// §5.2.12.3
struct IoApic {
    std::uint8_t type = 1;
    std::uint8_t length = sizeof(IoApic);
    std::uint8_t id;
    std::uint8_t reserved = 0;
    std::uint32_t address;
    std::uint32_t gsi_base = 0;
};
static_assert(sizeof(IoApic) == 12);

/// §5.2.12.5
struct InterruptOverride {
    std::uint8_t type = 2;
    std::uint8_t length = sizeof(InterruptOverride);
    std::uint8_t bus = 0; ///< ISA
    std::uint8_t source;
    std::uint32_t gsi;
    std::uint16_t flags; ///< bits 1:0 polarity (1: high), 3:2 trigger mode (1: edge, 3: level); 0: as on ISA
};
static_assert(sizeof(InterruptOverride) == 10);

/// §5.2.12.7
struct LocalApicNmi {
    std::uint8_t type = 4;
    std::uint8_t length = sizeof(LocalApicNmi);
    std::uint8_t processor_uid = 0xFF; ///< all
    std::uint16_t flags = 0;
    std::uint8_t lint;
};
static_assert(sizeof(LocalApicNmi) == 6);

/// §5.2.12.12
struct LocalX2Apic {
    std::uint8_t type = 9;
    std::uint8_t length = sizeof(LocalX2Apic);
    std::uint16_t reserved = 0;
    std::uint32_t apic_id;
    std::uint32_t flags = 1; ///< bit 0: enabled
    std::uint32_t processor_uid;
};
static_assert(sizeof(LocalX2Apic) == 16);

/// WAET ("Windows ACPI Emulated Devices Table", Microsoft, 2009)
struct EmulatedDevices {
    TableHeader header;
    std::uint32_t
        flags; ///< bit 0: the RTC interrupts without being acknowledged; bit 1: one read of the PM timer does
};
static_assert(sizeof(EmulatedDevices) == 40);

/// TPM2 (TCG ACPI Specification 1.4, §8), without a log area: firmware hands its log over by the EFI protocol of the
/// TPM.
struct TrustedPlatform {
    TableHeader header;
    std::uint16_t platform_class; ///< 0: client
    std::uint16_t reserved;
    std::uint64_t control_area;
    std::uint32_t start_method; ///< 7: Command Response Buffer
    std::array<std::uint8_t, 12> parameters;
};
static_assert(sizeof(TrustedPlatform) == 64);

/// SRAT, §5.2.16; the structures below follow it.
struct SystemAffinity {
    TableHeader header;
    std::uint32_t one;
    std::uint64_t reserved;
};
static_assert(sizeof(SystemAffinity) == 48);

/// §5.2.16.1, of a node below 256
struct ApicAffinity {
    std::uint8_t type = 0;
    std::uint8_t length = sizeof(ApicAffinity);
    std::uint8_t node;
    std::uint8_t apic_id;
    std::uint32_t flags = 1; ///< bit 0: enabled
    std::array<std::uint8_t, 4> reserved{};
    std::uint32_t clock_domain = 0;
};
static_assert(sizeof(ApicAffinity) == 16);

/// §5.2.16.2
struct MemoryAffinity {
    std::uint8_t type = 1;
    std::uint8_t length = sizeof(MemoryAffinity);
    std::uint32_t node;
    std::uint16_t reserved_6 = 0;
    std::uint64_t base;
    std::uint64_t size;
    std::uint32_t reserved_24 = 0;
    std::uint32_t flags = enabled;
    std::uint64_t reserved_32 = 0;

    static constexpr std::uint32_t enabled = 1;
    static constexpr std::uint32_t hot_pluggable = 2;
};
static_assert(sizeof(MemoryAffinity) == 40);

/// §5.2.16.3
struct X2ApicAffinity {
    std::uint8_t type = 2;
    std::uint8_t length = sizeof(X2ApicAffinity);
    std::uint16_t reserved_2 = 0;
    std::uint32_t node;
    std::uint32_t apic_id;
    std::uint32_t flags = 1; ///< bit 0: enabled
    std::uint32_t clock_domain = 0;
    std::uint32_t reserved_20 = 0;
};
static_assert(sizeof(X2ApicAffinity) == 24);

/// SLIT, §5.2.17; a byte for each pair of nodes follows it.
struct Localities {
    TableHeader header;
    std::uint64_t count;
};
static_assert(sizeof(Localities) == 44);

#pragma pack(pop)

} // namespace vmm::acpi
