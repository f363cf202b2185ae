#include "vmm/smbios/smbios.hpp"

#include "vmm/boot/boot_memory.hpp"
#include "vmm/smbios/structures.hpp"

#include <algorithm>
#include <array>
#include <numeric>
#include <span>
#include <stdexcept>
#include <string_view>
#include <utility>

namespace vmm::smbios {

namespace {

using Bytes = std::vector<std::byte>;

constexpr std::string_view bios_date = "11/01/2026"; // month, day, year (§7.1); systems ask only for the year

/// The texts of one structure, in the order of their numbers (§6.1.3).
class Texts {
  public:
    /// The number of this one; 0, which is none, when it is empty.
    std::uint8_t add(std::string_view text)
    {
        if (text.empty()) return 0;
        bytes_.append(text).push_back('\0');
        return ++count_;
    }

    [[nodiscard]] std::string_view bytes() const { return bytes_; }

  private:
    std::string bytes_;
    std::uint8_t count_ = 0;
};

/// Structures one behind the other; handles count from 0.
class Table {
  public:
    /// Fills in the header. Returns the handle.
    template <typename Structure>
    std::uint16_t add(Structure structure, Texts const& texts = {})
    {
        auto const handle = next_++;
        structure.header = {Structure::type, sizeof structure, handle};
        append(std::as_bytes(std::span{&structure, 1}));
        append(std::as_bytes(std::span{texts.bytes()}));
        bytes_.resize(bytes_.size() + (texts.bytes().empty() ? 2 : 1)); // two zeros end it (§6.1.3)
        return handle;
    }

    [[nodiscard]] Bytes take() { return std::move(bytes_); }

  private:
    void append(std::span<std::byte const> part) { bytes_.insert(bytes_.end(), part.begin(), part.end()); }

    Bytes bytes_;
    std::uint16_t next_ = 0;
};

void add_bios(Table& table)
{
    Texts texts;
    auto const vendor = texts.add(SmbiosOptions::default_vendor);
    auto const version = texts.add(PORTHOLE_VERSION);
    auto const date = texts.add(bios_date);
    auto const segment = static_cast<std::uint16_t>(layout::bios_area.base.value >> 4);
    table.add(Bios{.header = {}, .vendor = vendor, .version = version, .segment = segment, .date = date}, texts);
}

std::string_view version_of(SmbiosOptions const& named)
{
    return named.version.empty() ? PORTHOLE_VERSION : std::string_view{named.version};
}

void add_system(Table& table, SmbiosOptions const& named)
{
    Texts texts;
    auto const vendor = texts.add(named.vendor);
    auto const product = texts.add(named.product);
    auto const version = texts.add(version_of(named));
    auto const serial = texts.add(named.serial);
    auto const sku = texts.add(named.sku);
    auto const family = texts.add(named.family);
    table.add(System{.header = {},
                     .vendor = vendor,
                     .product = product,
                     .version = version,
                     .serial = serial,
                     .uuid = named.uuid.bytes,
                     .sku = sku,
                     .family = family},
              texts);
}

void add_chassis(Table& table, SmbiosOptions const& named)
{
    Texts texts;
    auto const vendor = texts.add(named.vendor);
    auto const version = texts.add(version_of(named));
    auto const serial = texts.add(named.serial);
    auto const asset = texts.add(named.asset);
    table.add(Chassis{.header = {}, .vendor = vendor, .version = version, .serial = serial, .asset = asset}, texts);
}

/// In a byte, where 255 means that the field of two bytes says it.
constexpr std::uint8_t in_byte(std::uint16_t count)
{
    return static_cast<std::uint8_t>(std::min<unsigned>(count, 0xFF));
}

void add_processor(Table& table, Config const& config, unsigned number)
{
    Texts texts;
    auto const socket = texts.add("CPU " + std::to_string(number));
    auto const vendor = texts.add(config.processor.vendor);
    auto const version = texts.add(config.processor.name);
    auto const threads = static_cast<std::uint16_t>(config.cpus / config.topology.sockets);
    auto const cores = static_cast<std::uint16_t>(threads / config.topology.threads);
    unsigned const more =
        (cores > 1 ? Processor::multi_core : 0U) | (config.topology.threads > 1 ? Processor::hardware_thread : 0U);
    table.add(Processor{.header = {},
                        .socket = socket,
                        .vendor = vendor,
                        .id = {config.processor.eax, config.processor.edx},
                        .version = version,
                        .cores = in_byte(cores),
                        .enabled_cores = in_byte(cores),
                        .threads = in_byte(threads),
                        .characteristics = static_cast<std::uint16_t>(Processor::has_64_bit | more),
                        .cores_2 = cores,
                        .enabled_cores_2 = cores,
                        .threads_2 = threads},
              texts);
}

void add_oem_strings(Table& table, SmbiosOptions const& named)
{
    if (named.oem.empty()) return;
    Texts texts;
    std::uint8_t count = 0;
    for (auto const& text : named.oem)
        count = texts.add(text);
    table.add(OemStrings{.header = {}, .count = count}, texts);
}

void add_memory(Table& table, Config const& config)
{
    auto const array = table.add(MemoryArray{.header = {}, .more_capacity = config.layout.bytes()});
    auto const size = static_cast<std::uint32_t>(config.layout.bytes() / layout::mib);
    bool const fits = size < MemoryDevice::extended;
    Texts texts;
    auto const locator = texts.add("DIMM 0");
    auto const vendor = texts.add(config.named.vendor);
    table.add(MemoryDevice{.header = {},
                           .array = array,
                           .size = fits ? static_cast<std::uint16_t>(size) : MemoryDevice::extended,
                           .locator = locator,
                           .vendor = vendor,
                           .more_size = fits ? 0 : size},
              texts);
    for (auto const& range : config.layout.ram())
        table.add(
            MemoryRangeOfArray{.header = {}, .array = array, .first = range.base.value, .last = range.end() - 1});
}

std::string text_of(std::span<std::uint32_t const> registers)
{
    std::string text;
    for (auto const value : registers)
        for (unsigned shift = 0; shift < 32; shift += 8)
            text.push_back(static_cast<char>(value >> shift & 0xFF));
    text.erase(std::ranges::find(text, '\0'), text.end());
    auto const begin = text.find_first_not_of(' ');
    if (begin == std::string::npos) return {};
    return text.substr(begin, text.find_last_not_of(' ') - begin + 1);
}

} // namespace

ProcessorText describe_processor(hv::CpuidLookup const& lookup)
{
    constexpr std::uint32_t first_name_leaf = 0x8000'0002;
    constexpr std::uint32_t name_leaves = 3;
    auto const vendor = lookup(0, 0);
    auto const signature = lookup(1, 0);
    std::vector<std::uint32_t> name;
    for (std::uint32_t n = 0; n < name_leaves; ++n) {
        auto const leaf = lookup(first_name_leaf + n, 0);
        name.insert(name.end(), {leaf.eax, leaf.ebx, leaf.ecx, leaf.edx});
    }
    return {text_of(std::array{vendor.ebx, vendor.edx, vendor.ecx}), text_of(name), signature.eax, signature.edx};
}

std::vector<std::byte> tables(Config const& config)
{
    Table table;
    if (config.names_bios) add_bios(table);
    add_system(table, config.named);
    add_chassis(table, config.named);
    for (unsigned socket = 0; socket < config.topology.sockets; ++socket)
        add_processor(table, config, socket);
    add_oem_strings(table, config.named);
    add_memory(table, config);
    table.add(BootInformation{.header = {}});
    table.add(End{.header = {}});
    return table.take();
}

std::vector<std::byte> entry_point(std::size_t size, hv::Gpa tables)
{
    EntryPoint const entry{.size = static_cast<std::uint32_t>(size), .address = tables.value};
    auto const raw = std::as_bytes(std::span{&entry, 1});
    Bytes bytes{raw.begin(), raw.end()};
    auto const sum = std::accumulate(bytes.begin(), bytes.end(), 0U, [](unsigned total, std::byte byte) {
        return total + std::to_integer<unsigned>(byte);
    });
    bytes[offsetof(EntryPoint, checksum)] = static_cast<std::byte>(-sum);
    return bytes;
}

void build(hv::GuestMemory const& memory, Config const& config)
{
    constexpr std::uint64_t behind_entry_point = 32;
    static_assert(layout::smbios.base.value % 16 == 0 && layout::smbios.base.value >= 0xF'0000); // §5.2.2
    auto const structures = tables(config);
    if (structures.size() > layout::smbios.size - behind_entry_point)
        throw std::length_error{"the SMBIOS tables are larger than the area for them"};
    hv::Gpa const at{layout::smbios.base.value + behind_entry_point};
    auto const entry = entry_point(structures.size(), at);
    std::ranges::copy(entry, host_address(memory, {layout::smbios.base, entry.size()}));
    std::ranges::copy(structures, host_address(memory, {at, structures.size()}));
}

} // namespace vmm::smbios
