#include "vmm/acpi/acpi.hpp"

#include "devices/pc/platform.hpp"
#include "vmm/acpi/aml.hpp"
#include "vmm/acpi/dsdt.hpp"
#include "vmm/acpi/tables.hpp"
#include "vmm/base/memory_layout.hpp"
#include "vmm/boot/boot_memory.hpp"

#include <algorithm>
#include <array>
#include <cstring>
#include <numeric>
#include <stdexcept>
#include <utility>
#include <vector>

namespace vmm {

namespace {

using namespace acpi;
namespace platform = devices::platform;
using Bytes = std::vector<std::byte>;

constexpr Text<6> oem_id{'P', 'O', 'R', 'T', 'H', 'L'};
constexpr Text<8> oem_table_id{'P', 'O', 'R', 'T', 'H', 'O', 'L', 'E'};
constexpr Text<4> creator_id{'P', 'R', 'T', 'H'};

/// What has to be added so that all bytes sum up to zero.
std::uint8_t checksum(std::span<std::byte const> bytes)
{
    auto const sum = std::accumulate(bytes.begin(), bytes.end(), 0U, [](unsigned total, std::byte b) {
        return total + std::to_integer<unsigned>(b);
    });
    return static_cast<std::uint8_t>(-sum);
}

TableHeader header(Text<4> const& signature, std::uint8_t revision)
{
    return {.signature = signature,
            .length = 0,
            .revision = revision,
            .checksum = 0,
            .oem_id = oem_id,
            .oem_table_id = oem_table_id,
            .oem_revision = 1,
            .creator_id = creator_id,
            .creator_revision = 1};
}

template <typename T>
void append(Bytes& table, T const& part)
{
    auto const bytes = std::as_bytes(std::span{&part, 1});
    table.insert(table.end(), bytes.begin(), bytes.end());
}

/// Fills in the length that every table with a header has.
Bytes measured(Bytes table)
{
    auto const length = static_cast<std::uint32_t>(table.size());
    std::memcpy(table.data() + offsetof(TableHeader, length), &length, sizeof length);
    return table;
}

/// Tables one behind the other, each with its offset.
class TableSet {
  public:
    /// One without a header.
    std::uint32_t add(std::span<std::byte const> table)
    {
        constexpr std::size_t alignment = 64; // what the FACS needs; the others need less
        auto& bytes = tables_.bytes;
        bytes.resize((bytes.size() + alignment - 1) & ~(alignment - 1));
        auto const at = static_cast<std::uint32_t>(bytes.size());
        bytes.insert(bytes.end(), table.begin(), table.end());
        return at;
    }

    std::uint32_t add_with_header(Bytes const& table)
    {
        auto const at = add(table);
        tables_.checksums.push_back(
            {at + std::uint32_t{offsetof(TableHeader, checksum)}, at, static_cast<std::uint32_t>(table.size())});
        return at;
    }

    void note_pointer(std::uint32_t at, std::uint8_t size) { tables_.pointers.push_back({at, size}); }

    /// In the place that was kept for it.
    void put(std::uint32_t at, std::span<std::byte const> table)
    {
        std::memcpy(tables_.bytes.data() + at, table.data(), table.size());
    }

    void note_checksum(AcpiTables::Checksum const& checksum) { tables_.checksums.push_back(checksum); }

    [[nodiscard]] AcpiTables take() { return std::move(tables_); }

  private:
    AcpiTables tables_;
};

/// What follows from claims comes first, and so is found first.
Bytes whole_dsdt(AcpiConfig const& config)
{
    auto const fixed = dsdt();
    Bytes table{fixed.begin(), fixed.begin() + sizeof(TableHeader)};
    table[offsetof(TableHeader, checksum)] = std::byte{0};
    for (auto const& scope : {describe_in_aml(config.claims), processors_in_aml(config.cpus)})
        table.insert(table.end(), scope.begin(), scope.end());
    table.insert(table.end(), fixed.begin() + sizeof(TableHeader), fixed.end());
    return measured(std::move(table));
}

FirmwareControl facs()
{
    FirmwareControl table{};
    table.signature = {'F', 'A', 'C', 'S'};
    table.length = sizeof table;
    table.version = 2;
    return table;
}

constexpr std::uint8_t bits(platform::PortRange const& ports)
{
    return static_cast<std::uint8_t>(ports.count * 8);
}

enum class Access : std::uint8_t { byte = 1, word = 2, dword = 3 };

constexpr GenericAddress io(platform::PortRange const& ports, Access access)
{
    constexpr std::uint8_t system_io = 1;
    return {system_io, bits(ports), 0, static_cast<std::uint8_t>(access), ports.first};
}

constexpr std::uint8_t length(platform::PortRange const& ports)
{
    return static_cast<std::uint8_t>(ports.count);
}

// IAPC_BOOT_ARCH (ACPI 6.5 §5.2.9.3). Bit 1 clear: no 8042; bit 5 clear: there is a CMOS RTC.
constexpr std::uint16_t boot_legacy_devices = 1U << 0;
constexpr std::uint16_t boot_vga_not_present = 1U << 2;

// FADT flags (ACPI 6.5 §5.2.9). POWER_BUTTON (bit 4) and FIX_RTC (bit 6) clear: the power button and the RTC's alarm
// are fixed hardware.
constexpr std::uint32_t flag_wbinvd = 1U << 0;
constexpr std::uint32_t flag_c1_supported = 1U << 2;
constexpr std::uint32_t flag_no_fixed_sleep_button = 1U << 5;
constexpr std::uint32_t flag_32bit_timer = 1U << 8;
constexpr std::uint32_t flag_reset_register = 1U << 10;
constexpr std::uint32_t flag_use_platform_clock = 1U << 15; // the PM timer rather than a processor's own clock

/// SMI_CMD is zero: the machine is in ACPI mode from the start. No C-states beyond C1.
FixedDescription fadt(std::uint32_t facs_address, std::uint32_t dsdt_address)
{
    FixedDescription table{};
    table.header = header({'F', 'A', 'C', 'P'}, 6);
    table.minor_revision = 5;
    table.facs_address = facs_address;
    table.dsdt_address = dsdt_address;
    table.x_dsdt_address = dsdt_address;

    table.sci_interrupt = platform::acpi_sci.gsi;
    table.pm1a_event_block = platform::acpi_pm1a_event.first;
    table.pm1a_control_block = platform::acpi_pm1a_control.first;
    table.pm_timer_block = platform::acpi_pm_timer.first;
    table.gpe0_block = platform::acpi_gpe0.first;
    table.gpe0_length = length(platform::acpi_gpe0);
    table.pm1_event_length = length(platform::acpi_pm1a_event);
    table.pm1_control_length = length(platform::acpi_pm1a_control);
    table.pm_timer_length = length(platform::acpi_pm_timer);
    table.x_pm1a_event_block = io(platform::acpi_pm1a_event, Access::word);
    table.x_pm1a_control_block = io(platform::acpi_pm1a_control, Access::word);
    table.x_pm_timer_block = io(platform::acpi_pm_timer, Access::dword);
    table.x_gpe0_block = io(platform::acpi_gpe0, Access::byte);

    table.c2_latency = 0xFFFF;
    table.c3_latency = 0xFFFF;
    table.century = platform::cmos_century_index;
    table.boot_architecture = boot_legacy_devices | boot_vga_not_present;
    table.flags = flag_wbinvd | flag_c1_supported | flag_no_fixed_sleep_button | flag_32bit_timer |
                  flag_reset_register | flag_use_platform_clock;
    table.reset_register = io(platform::reset_control, Access::byte);
    table.reset_value = platform::reset_control_value;
    table.hypervisor_id = {'M', 's', 'H', 'y', 'p', 'e', 'r', 'V'};
    return table;
}

constexpr unsigned first_x2apic_only = 255; // 0xFF addresses all local APICs

void append_processor(Bytes& table, unsigned id)
{
    if (id < first_x2apic_only) {
        append(table,
               LocalApic{.processor_uid = static_cast<std::uint8_t>(id), .apic_id = static_cast<std::uint8_t>(id)});
    } else {
        append(table, LocalX2Apic{.apic_id = id, .processor_uid = id});
    }
}

Bytes madt(AcpiConfig const& config)
{
    constexpr std::uint32_t has_8259s = 1;
    constexpr std::uint16_t as_on_isa = 0;
    constexpr std::uint16_t active_high_level = 0xD;
    constexpr std::uint8_t pit_irq = 0;
    constexpr std::uint32_t pit_gsi = 2;

    Bytes table;
    append(table, InterruptControllers{header({'A', 'P', 'I', 'C'}, 6), local_apic_address, has_8259s});
    for (unsigned id = 0; id < config.cpus; ++id)
        append_processor(table, id);
    append(table, IoApic{.id = 0, .address = io_apic_address});
    append(table, InterruptOverride{.source = pit_irq, .gsi = pit_gsi, .flags = as_on_isa});
    append(table, InterruptOverride{.source = static_cast<std::uint8_t>(platform::acpi_sci.gsi),
                                    .gsi = platform::acpi_sci.gsi,
                                    .flags = active_high_level});
    append(table, LocalApicNmi{.lint = 1});
    return measured(std::move(table));
}

/// What Windows need not work around. The RTC is like the old ones: it interrupts once, until register C is read.
Bytes waet()
{
    constexpr std::uint32_t pm_timer_good = 1U << 1; // one read of it is enough
    Bytes table;
    append(table, EmulatedDevices{header({'W', 'A', 'E', 'T'}, 1), pm_timer_good});
    return measured(std::move(table));
}

void append_processors(Bytes& table, std::span<NumaNode const> nodes)
{
    std::uint32_t number = 0;
    for (auto const& node : nodes) {
        for (unsigned id = node.first_cpu; id < node.first_cpu + node.cpus; ++id) {
            if (id < first_x2apic_only)
                append(table, ApicAffinity{.node = static_cast<std::uint8_t>(number),
                                           .apic_id = static_cast<std::uint8_t>(id)});
            else
                append(table, X2ApicAffinity{.node = number, .apic_id = id});
        }
        ++number;
    }
}

/// Windows adds no memory that it has not been told of here, and goes by the last node for it (QEMU
/// hw/i386/acpi-build.c).
Bytes srat(std::span<NumaNode const> nodes, MemoryRange const& hot_add)
{
    Bytes table;
    append(table, SystemAffinity{header({'S', 'R', 'A', 'T'}, 3), 1, 0});
    append_processors(table, nodes);
    std::uint32_t number = 0;
    for (auto const& node : nodes) {
        for (auto const& range : node.memory)
            append(table, MemoryAffinity{.node = number, .base = range.base.value, .size = range.size});
        ++number;
    }
    if (hot_add.size != 0)
        append(table, MemoryAffinity{.node = number - 1,
                                     .base = hot_add.base.value,
                                     .size = hot_add.size,
                                     .flags = MemoryAffinity::enabled | MemoryAffinity::hot_pluggable});
    return measured(std::move(table));
}

Bytes slit(std::size_t nodes)
{
    constexpr std::byte local{10};
    constexpr std::byte remote{20}; // twice as long, as most machines say
    Bytes table;
    append(table, Localities{header({'S', 'L', 'I', 'T'}, 1), nodes});
    for (std::size_t from = 0; from < nodes; ++from)
        for (std::size_t to = 0; to < nodes; ++to)
            table.push_back(from == to ? local : remote);
    return measured(std::move(table));
}

Bytes tpm2(std::uint64_t control_area)
{
    constexpr std::uint32_t command_response_buffer = 7;
    Bytes table;
    append(table, TrustedPlatform{.header = header({'T', 'P', 'M', '2'}, 4),
                                  .platform_class = 0,
                                  .reserved = 0,
                                  .control_area = control_area,
                                  .start_method = command_response_buffer,
                                  .parameters = {}});
    return measured(std::move(table));
}

Bytes xsdt(std::span<std::uint32_t const> tables)
{
    Bytes table;
    append(table, header({'X', 'S', 'D', 'T'}, 1));
    for (auto const at : tables)
        append(table, std::uint64_t{at});
    return measured(std::move(table));
}

RootPointer rsdp(std::uint32_t xsdt_address)
{
    RootPointer pointer{};
    pointer.signature = {'R', 'S', 'D', ' ', 'P', 'T', 'R', ' '};
    pointer.oem_id = oem_id;
    pointer.revision = 2;
    pointer.length = sizeof pointer;
    pointer.xsdt_address = xsdt_address;
    return pointer;
}

void add_root(TableSet& set, std::uint32_t root, std::uint32_t xsdt_address)
{
    auto const pointer = rsdp(xsdt_address);
    set.put(root, std::as_bytes(std::span{&pointer, 1}));
    set.note_pointer(root + std::uint32_t{offsetof(RootPointer, xsdt_address)}, sizeof pointer.xsdt_address);
    set.note_checksum({root + std::uint32_t{offsetof(RootPointer, checksum)}, root, offsetof(RootPointer, length)});
    set.note_checksum({root + std::uint32_t{offsetof(RootPointer, extended_checksum)}, root, sizeof pointer});
}

std::uint32_t add_fadt(TableSet& set, std::uint32_t facs_at, std::uint32_t dsdt_at)
{
    Bytes table;
    append(table, fadt(facs_at, dsdt_at));
    auto const at = set.add_with_header(measured(std::move(table)));
    set.note_pointer(at + std::uint32_t{offsetof(FixedDescription, facs_address)}, sizeof(std::uint32_t));
    set.note_pointer(at + std::uint32_t{offsetof(FixedDescription, dsdt_address)}, sizeof(std::uint32_t));
    set.note_pointer(at + std::uint32_t{offsetof(FixedDescription, x_dsdt_address)}, sizeof(std::uint64_t));
    return at;
}

/// Adds `base` to an address of `size` bytes.
void move(std::span<std::byte> address, std::uint64_t base)
{
    std::uint64_t value = 0;
    std::memcpy(&value, address.data(), address.size());
    value += base;
    std::memcpy(address.data(), &value, address.size());
}

} // namespace

AcpiTables acpi_tables(AcpiConfig const& config)
{
    TableSet set;
    auto const root = set.add(Bytes(sizeof(RootPointer)));
    auto const facs_table = facs();
    auto const facs_at = set.add(std::as_bytes(std::span{&facs_table, 1}));
    auto const dsdt_at = set.add_with_header(whole_dsdt(config));
    std::vector listed{add_fadt(set, facs_at, dsdt_at), set.add_with_header(madt(config)),
                       set.add_with_header(waet())};
    if (config.tpm != 0) listed.push_back(set.add_with_header(tpm2(config.tpm)));
    bool const grows = config.hot_add.size != 0 && !config.nodes.empty();
    if (config.nodes.size() > 1 || grows) listed.push_back(set.add_with_header(srat(config.nodes, config.hot_add)));
    if (config.nodes.size() > 1) listed.push_back(set.add_with_header(slit(config.nodes.size())));
    auto const xsdt_at = set.add_with_header(xsdt(listed));
    for (std::uint32_t n = 0; n < listed.size(); ++n)
        set.note_pointer(xsdt_at + std::uint32_t{sizeof(TableHeader)} + n * 8, sizeof(std::uint64_t));
    add_root(set, root, xsdt_at);
    return set.take();
}

hv::Gpa build_acpi(hv::GuestMemory const& memory, AcpiConfig const& config)
{
    auto const tables = acpi_tables(config);
    auto const base = layout::acpi_tables.base;
    MemoryRange const range{base, tables.bytes.size()};
    if (!layout::acpi_tables.contains(range)) throw std::length_error{"too many CPUs for the ACPI table area"};

    std::span const placed{host_address(memory, range), range.size};
    std::ranges::copy(tables.bytes, placed.begin());
    for (auto const& pointer : tables.pointers)
        move(placed.subspan(pointer.at, pointer.size), base.value);
    for (auto const& sum : tables.checksums)
        placed[sum.at] = std::byte{checksum(placed.subspan(sum.start, sum.length))};
    return base;
}

} // namespace vmm
