#include "devices/pc/platform.hpp"
#include "hv/testing/catch.hpp"
#include "hv/testing/value_at.hpp"
#include "vmm/acpi/acpi.hpp"
#include "vmm/acpi/dsdt.hpp"
#include "vmm/acpi/tables.hpp"
#include "vmm/boot/testing/guest.hpp"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <map>
#include <numeric>

using namespace vmm;
using namespace vmm::acpi;
using namespace vmm::testing;
using hv::testing::value_at;
namespace platform = devices::platform;
using namespace std::string_literals;

namespace {

std::uint8_t sum(Bytes const& bytes)
{
    return std::accumulate(bytes.begin(), bytes.end(), std::uint8_t{0}, [](std::uint8_t total, std::byte b) {
        return static_cast<std::uint8_t>(total + std::to_integer<std::uint8_t>(b));
    });
}

template <std::size_t N>
std::string text(Text<N> const& signature)
{
    return {signature.data(), N};
}

/// The tables as a guest finds them, by signature; each checked for its length and checksum.
struct Tables {
    explicit Tables(unsigned cpus) : root_address{build_acpi(ram.memory(), {cpus, resources.claims()})}
    {
        root = ram.get<RootPointer>(root_address.value);
        auto const xsdt = table(root.xsdt_address);
        for (auto at = sizeof(TableHeader); at < xsdt.size(); at += 8) {
            auto const found = table(value_at<std::uint64_t>(xsdt, at));
            by_signature[text(value_at<TableHeader>(found).signature)] = found;
        }
        by_signature["DSDT"] = table(fadt().x_dsdt_address);
    }

    [[nodiscard]] Bytes table(std::uint64_t address) const
    {
        auto const length = ram.get<TableHeader>(address).length;
        REQUIRE(layout::acpi_tables.contains({hv::Gpa{address}, length}));
        auto bytes = ram.bytes(address, length);
        REQUIRE(sum(bytes) == 0);
        return bytes;
    }

    [[nodiscard]] FixedDescription fadt() const { return value_at<FixedDescription>(by_signature.at("FACP")); }

    /// The structures of the MADT, each with its type and length.
    [[nodiscard]] std::vector<Bytes> madt() const
    {
        auto const& all = by_signature.at("APIC");
        std::vector<Bytes> entries;
        for (auto at = sizeof(InterruptControllers); at < all.size(); at += entries.back().size()) {
            auto const length = std::to_integer<std::ptrdiff_t>(all.at(at + 1));
            REQUIRE(length >= 2);
            REQUIRE(at + static_cast<std::size_t>(length) <= all.size());
            auto const begin = all.begin() + static_cast<std::ptrdiff_t>(at);
            entries.emplace_back(begin, begin + length);
        }
        return entries;
    }

    [[nodiscard]] std::vector<Bytes> madt(std::uint8_t type) const
    {
        auto entries = madt();
        std::erase_if(entries, [&](Bytes const& entry) { return entry[0] != std::byte{type}; });
        return entries;
    }

    devices::Resources resources = devices::pc_resources();
    GuestRam ram{64 * layout::mib};
    hv::Gpa root_address;
    RootPointer root{};
    std::map<std::string, Bytes> by_signature;
};

/// How often this is in there.
std::size_t count(std::string_view all, std::string_view part)
{
    std::size_t found = 0;
    for (auto at = all.find(part); at != std::string_view::npos; at = all.find(part, at + 1))
        ++found;
    return found;
}

/// Whether the DSDT has an I/O port descriptor (ACPI 6.5 §6.4.2.5) of exactly these ports.
bool names(Bytes const& dsdt, platform::PortRange const& ports)
{
    auto const low = static_cast<std::uint8_t>(ports.first);
    auto const high = static_cast<std::uint8_t>(ports.first >> 8);
    std::array<std::uint8_t, 8> const wanted{0x47, 1,    low, high,
                                             low,  high, 1,   static_cast<std::uint8_t>(ports.count)};
    return !std::ranges::search(dsdt, std::as_bytes(std::span{wanted})).empty();
}

/// Likewise an interrupt descriptor (§6.4.2.1).
bool names(Bytes const& dsdt, platform::Irq irq)
{
    auto const mask = 1U << irq.gsi;
    std::array<std::uint8_t, 3> const wanted{0x22, static_cast<std::uint8_t>(mask),
                                             static_cast<std::uint8_t>(mask >> 8)};
    return !std::ranges::search(dsdt, std::as_bytes(std::span{wanted})).empty();
}

} // namespace

TEST_CASE("the RSDP leads to every table, each with its checksum", "[acpi]")
{
    Tables const tables{2};

    CHECK(tables.root_address.value % 16 == 0); // so that a guest which scans for it finds it
    CHECK(text(tables.root.signature) == "RSD PTR ");
    CHECK(tables.root.revision == 2);
    auto const root = tables.ram.bytes(tables.root_address.value, sizeof(RootPointer));
    CHECK(sum(root) == 0);
    CHECK(sum(Bytes(root.begin(), root.begin() + 20)) == 0);
    CHECK(tables.by_signature.contains("FACP"));
    CHECK(tables.by_signature.contains("APIC"));
    CHECK(tables.by_signature.contains("DSDT"));
}

TEST_CASE("Windows is told that one read of the PM timer is enough, and that the RTC wants its acknowledgement",
          "[acpi]")
{
    auto const waet = value_at<EmulatedDevices>(Tables{1}.by_signature.at("WAET"));
    CHECK(+waet.header.length == 40);
    CHECK(+waet.flags == 2);
}

TEST_CASE("the FADT says what is there and what is not", "[acpi]")
{
    Tables const tables{1};
    auto const fadt = tables.fadt();

    CHECK(+fadt.header.length == 276);
    CHECK(fadt.header.revision == 6);
    // ACPI 6.5, to which both belong.
    CHECK(+fadt.minor_revision == 5);
    CHECK(value_at<InterruptControllers>(tables.by_signature.at("APIC")).header.revision == 6);
    CHECK(+fadt.dsdt_address == +fadt.x_dsdt_address);
    CHECK(+fadt.facs_address % 64 == 0);
    CHECK(text(tables.ram.get<FirmwareControl>(fadt.facs_address).signature) == "FACS");
    CHECK(+fadt.smi_command == 0);
    CHECK(+fadt.sci_interrupt == 9);
    CHECK(+fadt.pm1a_event_block == 0x600);
    CHECK(fadt.pm1_event_length == 4);
    CHECK(+fadt.pm1a_control_block == 0x604);
    CHECK(fadt.pm1_control_length == 2);
    CHECK(+fadt.pm_timer_block == 0x608);
    CHECK(fadt.pm_timer_length == 4);
    CHECK((+fadt.boot_architecture & 0x02) == 0); // no 8042
    CHECK((+fadt.boot_architecture & 0x04) != 0); // no VGA
    CHECK((+fadt.boot_architecture & 0x20) == 0); // a CMOS RTC
    CHECK((+fadt.flags & 0x10) == 0);             // a fixed power button
    CHECK((+fadt.flags & 0x20) != 0);             // no fixed sleep button
    CHECK((+fadt.flags & 0x40) == 0);             // the alarm of the RTC is fixed hardware
    CHECK((+fadt.flags & 0x400) != 0);            // RESET_REG
    CHECK((+fadt.flags & 0x8000) != 0);           // USE_PLATFORM_CLOCK
    CHECK(+fadt.gpe0_block == 0x60C);
    CHECK(fadt.gpe0_length == 2);
    CHECK(fadt.reset_value == 6);

    auto const is_io = [](GenericAddress const& gas, std::uint64_t address, unsigned width) {
        return gas.space == 1 && gas.address == address && gas.bit_width == width && gas.bit_offset == 0;
    };
    CHECK(is_io(fadt.reset_register, 0xCF9, 8));
    CHECK(is_io(fadt.x_pm1a_event_block, 0x600, 32));
    CHECK(is_io(fadt.x_pm1a_control_block, 0x604, 16));
    CHECK(is_io(fadt.x_pm_timer_block, 0x608, 32));
    CHECK(is_io(fadt.x_gpe0_block, 0x60C, 16));
}

TEST_CASE("the MADT lists every processor once", "[acpi]")
{
    auto const cpus = GENERATE(1U, 2U, 16U, 254U, 255U, 256U, 1000U);
    CAPTURE(cpus);
    Tables const tables{cpus};

    std::vector<std::uint32_t> ids;
    for (auto const& entry : tables.madt(0)) {
        auto const apic = value_at<LocalApic>(entry);
        CHECK(+apic.flags == 1);
        ids.push_back(+apic.apic_id);
    }
    for (auto const& entry : tables.madt(9)) {
        auto const apic = value_at<LocalX2Apic>(entry);
        CHECK(+apic.flags == 1);
        CHECK(+apic.apic_id >= 255);
        ids.push_back(+apic.apic_id);
    }
    std::vector<std::uint32_t> expected(cpus);
    std::iota(expected.begin(), expected.end(), 0U);
    CHECK(ids == expected);
}

TEST_CASE("the MADT routes the timer to input 2 and the SCI as a level interrupt", "[acpi]")
{
    Tables const tables{1};

    auto const io_apics = tables.madt(1);
    REQUIRE(io_apics.size() == 1);
    CHECK(+value_at<IoApic>(io_apics[0]).address == 0xFEC0'0000);
    CHECK(+value_at<IoApic>(io_apics[0]).gsi_base == 0);

    auto const overrides = tables.madt(2);
    REQUIRE(overrides.size() == 2);
    auto const timer = value_at<InterruptOverride>(overrides[0]);
    CHECK(timer.source == 0);
    CHECK(+timer.gsi == 2);
    CHECK(+timer.flags == 0);
    auto const sci = value_at<InterruptOverride>(overrides[1]);
    CHECK(sci.source == 9);
    CHECK(+sci.gsi == 9);
    CHECK(+sci.flags == 0xD);

    auto const nmi = tables.madt(4);
    REQUIRE(nmi.size() == 1);
    CHECK(+value_at<LocalApicNmi>(nmi[0]).lint == 1);
    CHECK(+value_at<LocalApicNmi>(nmi[0]).processor_uid == 0xFF);
}

TEST_CASE("more processors than the tables' place holds are refused", "[acpi]")
{
    GuestRam const ram{64 * layout::mib};
    CHECK_THROWS_AS(build_acpi(ram.memory(), {10'000}), std::length_error);
}

TEST_CASE("the DSDT names the ports and interrupts of the platform", "[acpi]")
{
    auto const dsdt = Tables{1}.by_signature.at("DSDT");
    CHECK(names(dsdt, platform::com1));
    CHECK(names(dsdt, platform::com1_irq));
    CHECK(names(dsdt, platform::rtc));
    CHECK(names(dsdt, platform::rtc_irq));
    CHECK(names(dsdt, platform::acpi_pm));
    CHECK(names(dsdt, platform::PortRange{platform::hypercall_port_64, 2}));
    CHECK(platform::hypercall_port_32 == platform::hypercall_port_64 + 1);
    CHECK(names(dsdt, platform::PortRange{platform::pci_config_address.first, 8}));
    CHECK_FALSE(names(dsdt, platform::PortRange{platform::com1.first, 4}));
    for (auto const& [name, id] :
         {std::pair{"COM1", 0x0105D041U}, std::pair{"RTC_", 0x000BD041U}, std::pair{"MBRD", 0x020CD041U}}) {
        // Name (_HID, …), with the plug-and-play ID packed as iasl does it.
        std::array<std::uint8_t, 14> wanted{};
        std::memcpy(wanted.data(), name, 4);
        std::memcpy(wanted.data() + 4, "\x08_HID\x0C", 6);
        std::memcpy(wanted.data() + 10, &id, 4);
        CAPTURE(name);
        CHECK_FALSE(std::ranges::search(dsdt, std::as_bytes(std::span{wanted})).empty());
    }
}

TEST_CASE("the DSDT has a device for each processor, by the ID that the MADT gives it", "[acpi]")
{
    auto const cpus = GENERATE(1U, 2U, 3U, 254U, 300U);
    CAPTURE(cpus);
    Tables const tables{cpus};
    auto const& table = tables.by_signature.at("DSDT");
    std::string_view const dsdt{reinterpret_cast<char const*>(table.data()), table.size()};

    CHECK(count(dsdt, "ACPI0007") == cpus);
    for (unsigned id = 0; id < cpus; ++id) {
        CAPTURE(id);
        std::array<char, 16> name{};
        std::snprintf(name.data(), name.size(), "C%03X", id);
        std::string uid{'\0'}; // the numbers 0 and 1 have opcodes of their own
        if (id > 0xFF)
            uid = {'\x0B', static_cast<char>(id), static_cast<char>(id >> 8)};
        else if (id > 1)
            uid = {'\x0A', static_cast<char>(id)};
        else if (id == 1)
            uid = '\1';
        // Device (Cxxx) with its length: Name (_HID, "ACPI0007") and Name (_UID, …).
        auto const body = name.data() + "\x08_HID\x0D"s + "ACPI0007\0"s + "\x08_UID"s + uid;
        CHECK(count(dsdt, "\x5B\x82"s + static_cast<char>(body.size() + 1) + body) == 1);
    }

    std::vector<unsigned> ids;
    for (auto const& entry : tables.madt(0))
        ids.push_back(value_at<LocalApic>(entry).processor_uid);
    for (auto const& entry : tables.madt(9))
        ids.push_back(value_at<LocalX2Apic>(entry).processor_uid);
    std::vector<unsigned> expected(cpus);
    std::iota(expected.begin(), expected.end(), 0U);
    CHECK(ids == expected);
}

TEST_CASE("the DSDT powers off with the sleep type that the platform knows", "[acpi]")
{
    // NameOp, "_S5_", PackageOp, its length, four elements, and the first two as bytes.
    std::array<std::uint8_t, 12> const wanted{
        0x08, '_', 'S', '5', '_', 0x12, 8, 4, 0x0A, platform::acpi_s5_sleep_type, 0x0A, platform::acpi_s5_sleep_type};
    CHECK_FALSE(std::ranges::search(dsdt(), std::as_bytes(std::span{wanted})).empty());
}

TEST_CASE("the DSDT says where the generation ID is, and which event tells of a new one", "[acpi]")
{
    // NameOp, "ADDR", PackageOp, its length, two elements: a dword, and zero.
    auto const address = static_cast<std::uint32_t>(layout::generation_id.base.value);
    std::array<std::uint8_t, 14> wanted{0x08, 'A', 'D', 'D', 'R', 0x12, 8, 2, 0x0C, 0, 0, 0, 0, 0x00};
    std::memcpy(&wanted[9], &address, 4);
    CHECK_FALSE(std::ranges::search(dsdt(), std::as_bytes(std::span{wanted})).empty());

    CHECK(platform::generation_changed.number == 0);
    std::array<std::uint8_t, 4> const method{'_', 'E', '0', '0'};
    CHECK_FALSE(std::ranges::search(dsdt(), std::as_bytes(std::span{method})).empty());
}

TEST_CASE("the DSDT has the VMBus by the names that Windows and Linux look for", "[acpi]")
{
    for (std::string_view const name : {"MSFT1000", "VMBus", "MSFT1002", "VM_Gen_Counter"}) {
        CAPTURE(name);
        CHECK_FALSE(std::ranges::search(dsdt(), std::as_bytes(std::span{name})).empty());
    }
}

TEST_CASE("the DSDT gives VMBus the MMIO space that the memory layout keeps for it", "[acpi]")
{
    // The address part of a DWord address space descriptor (§6.4.3.5.2): granularity, minimum, maximum, offset,
    // length.
    auto const base = static_cast<std::uint32_t>(layout::vmbus_mmio.base.value);
    auto const size = static_cast<std::uint32_t>(layout::vmbus_mmio.size);
    std::array<std::uint32_t, 5> const wanted{0, base, base + (size - 1), 0, size};
    CHECK_FALSE(std::ranges::search(dsdt(), std::as_bytes(std::span{wanted})).empty());
}

TEST_CASE("iasl can disassemble every table", "[acpi]")
{
    auto pattern_path = (std::filesystem::temp_directory_path() / "porthole-acpi-XXXXXX").string();
    REQUIRE(::mkdtemp(pattern_path.data()) != nullptr);
    std::filesystem::path const folder{pattern_path};

    auto const cpus = GENERATE(1U, 3U, 254U);
    CAPTURE(cpus);
    Tables const tables{cpus};
    for (auto const& [signature, bytes] : tables.by_signature) {
        CAPTURE(signature);
        auto const file = folder / (signature + ".aml");
        std::ofstream{file, std::ios::binary}.write(reinterpret_cast<char const*>(bytes.data()),
                                                    static_cast<std::streamsize>(bytes.size()));
        auto const command = "cd '" + folder.string() + "' && iasl -d " + signature + ".aml >log 2>&1";
        CHECK(std::system(command.c_str()) == 0);

        std::ifstream source{folder / (signature + ".dsl")};
        std::string const listing{std::istreambuf_iterator<char>{source}, {}};
        CHECK(listing.find(signature) != std::string::npos);
        CHECK(listing.find("Invalid") == std::string::npos);
        CHECK(listing.find("ERROR") == std::string::npos);
        CHECK(listing.find("Incorrect checksum") == std::string::npos);
        if (signature == "DSDT") CHECK(count(listing, "Name (_HID, \"ACPI0007\"") == cpus);
    }
    std::filesystem::remove_all(folder);
}
