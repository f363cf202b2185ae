#include "vmm/firmware/fw_cfg_files.hpp"

#include <algorithm>
#include <array>
#include <cstdint>
#include <span>

namespace vmm::firmware {

namespace {

using Bytes = std::vector<std::byte>;
using FileName = std::array<char, 56>;

#pragma pack(push, 1)

struct MapEntry {
    std::uint64_t base;
    std::uint64_t size;
    MemoryKind kind;
};
static_assert(sizeof(MapEntry) == 20);

enum class Command : std::uint32_t { Allocate = 1, AddPointer = 2, AddChecksum = 3 };
enum class Zone : std::uint8_t { High = 1 };

struct Allocate {
    Command command = Command::Allocate;
    FileName file;
    std::uint32_t alignment;
    Zone zone;
    std::array<std::uint8_t, 63> padding{};
};
static_assert(sizeof(Allocate) == 128);

struct AddPointer {
    Command command = Command::AddPointer;
    FileName pointer_file;
    FileName pointee_file;
    std::uint32_t at;
    std::uint8_t size;
    std::array<std::uint8_t, 7> padding{};
};
static_assert(sizeof(AddPointer) == 128);

struct AddChecksum {
    Command command = Command::AddChecksum;
    FileName file;
    std::uint32_t at;
    std::uint32_t start;
    std::uint32_t length;
    std::array<std::uint8_t, 56> padding{};
};
static_assert(sizeof(AddChecksum) == 128);

#pragma pack(pop)

constexpr FileName tables_name()
{
    FileName name{};
    std::ranges::copy(acpi_tables_file, name.begin());
    return name;
}

template <typename Part>
void append(Bytes& bytes, Part const& part)
{
    auto const more = std::as_bytes(std::span{&part, 1});
    bytes.insert(bytes.end(), more.begin(), more.end());
}

} // namespace

std::vector<std::byte> memory_map(MemoryLayout const& layout)
{
    Bytes bytes;
    for (auto const& range : layout.ram())
        append(bytes, MapEntry{range.base.value, range.size, MemoryKind::ram});
    return bytes;
}

std::vector<std::byte> table_loader(AcpiTables const& tables)
{
    constexpr auto file = tables_name();
    constexpr std::uint32_t alignment = 64; // as AcpiTables wants
    Bytes bytes;
    append(bytes, Allocate{.file = file, .alignment = alignment, .zone = Zone::High});
    for (auto const& pointer : tables.pointers)
        append(bytes, AddPointer{.pointer_file = file, .pointee_file = file, .at = pointer.at, .size = pointer.size});
    for (auto const& sum : tables.checksums)
        append(bytes, AddChecksum{.file = file, .at = sum.at, .start = sum.start, .length = sum.length});
    return bytes;
}

} // namespace vmm::firmware
