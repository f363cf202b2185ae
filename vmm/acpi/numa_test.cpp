// NUMA nodes, and what ACPI says of them (ACPI 6.5 §5.2.16, §5.2.17).
#include "hv/testing/catch.hpp"
#include "hv/testing/value_at.hpp"
#include "vmm/acpi/acpi.hpp"
#include "vmm/acpi/numa.hpp"
#include "vmm/acpi/tables.hpp"

#include <algorithm>
#include <string_view>

using namespace vmm;
using hv::testing::value_at;
using Bytes = std::vector<std::byte>;

namespace {

constexpr std::uint64_t mib = layout::mib;
constexpr std::uint64_t gib = layout::gib;

MemoryRange range(std::uint64_t base, std::uint64_t size)
{
    return {hv::Gpa{base}, size};
}

/// The table of this signature; empty when there is none.
Bytes table(AcpiTables const& tables, std::string_view signature)
{
    auto const found = std::ranges::search(tables.bytes, std::as_bytes(std::span{signature}));
    if (found.empty()) return {};
    auto const at = static_cast<std::size_t>(found.begin() - tables.bytes.begin());
    auto const length = value_at<acpi::TableHeader>(tables.bytes, at).length;
    return {found.begin(), found.begin() + length};
}

AcpiTables tables_of(unsigned cpus, std::vector<NumaNode> const& nodes)
{
    return acpi_tables({.cpus = cpus, .nodes = nodes});
}

} // namespace

TEST_CASE("nodes share processors and memory evenly, around the hole", "[acpi][numa]")
{
    MemoryLayout const small{512 * mib};
    CHECK(numa_nodes(small, 8, 2) ==
          std::vector<NumaNode>{{0, 4, {range(0, 256 * mib)}}, {4, 4, {range(256 * mib, 256 * mib)}}});
    MemoryLayout const large{8 * gib};
    CHECK(numa_nodes(large, 4, 2) ==
          std::vector<NumaNode>{{0, 2, {range(0, 3 * gib), range(4 * gib, gib)}}, {2, 2, {range(5 * gib, 4 * gib)}}});
}

TEST_CASE("what lies between two nodes is whole sections of Linux's, or large pages", "[acpi][numa]")
{
    auto const thirds = numa_nodes(MemoryLayout{1000 * mib}, 3, 3);
    CHECK(thirds[0].memory == std::vector{range(0, 256 * mib)});
    CHECK(thirds[1].memory == std::vector{range(256 * mib, 384 * mib)});
    CHECK(thirds[2].memory == std::vector{range(640 * mib, 360 * mib)});
    auto const tiny = numa_nodes(MemoryLayout{100 * mib}, 3, 3);
    CHECK(tiny[1].memory == std::vector{range(32 * mib, 34 * mib)});
}

TEST_CASE("the SRAT says to which node processors and memory belong", "[acpi][numa]")
{
    auto const nodes = numa_nodes(MemoryLayout{8 * gib}, 4, 2);
    auto const srat = table(tables_of(4, nodes), "SRAT");
    REQUIRE(srat.size() ==
            sizeof(acpi::SystemAffinity) + 4 * sizeof(acpi::ApicAffinity) + 3 * sizeof(acpi::MemoryAffinity));
    auto const third =
        value_at<acpi::ApicAffinity>(srat, sizeof(acpi::SystemAffinity) + 2 * sizeof(acpi::ApicAffinity));
    CHECK(third.apic_id == 2);
    CHECK(std::uint32_t{third.node} == 1); // fields of packed structures: by value
    CHECK(std::uint32_t{third.flags} == 1);
    auto const last = value_at<acpi::MemoryAffinity>(srat, srat.size() - sizeof(acpi::MemoryAffinity));
    CHECK(std::uint32_t{last.node} == 1);
    CHECK(std::uint64_t{last.base} == 5 * gib);
    CHECK(std::uint64_t{last.size} == 4 * gib);
    CHECK(std::uint32_t{last.flags} == 1);
}

TEST_CASE("a processor with an APIC ID of more than eight bits is named as one of an x2APIC", "[acpi][numa]")
{
    auto const srat = table(tables_of(256, numa_nodes(MemoryLayout{gib}, 256, 2)), "SRAT");
    auto const at = sizeof(acpi::SystemAffinity) + 255 * sizeof(acpi::ApicAffinity);
    auto const last = value_at<acpi::X2ApicAffinity>(srat, at);
    CHECK(last.type == 2);
    CHECK(std::uint32_t{last.apic_id} == 255);
    CHECK(std::uint32_t{last.node} == 1);
}

TEST_CASE("the SLIT has the distances of nodes, and one node has no tables", "[acpi][numa]")
{
    auto const slit = table(tables_of(3, numa_nodes(MemoryLayout{gib}, 3, 3)), "SLIT");
    REQUIRE(slit.size() == sizeof(acpi::Localities) + 9);
    CHECK(std::uint64_t{value_at<acpi::Localities>(slit).count} == 3);
    CHECK(slit[sizeof(acpi::Localities)] == std::byte{10});
    CHECK(slit[sizeof(acpi::Localities) + 1] == std::byte{20});
    CHECK(slit.back() == std::byte{10});
    auto const one = tables_of(2, numa_nodes(MemoryLayout{gib}, 2, 1));
    CHECK(table(one, "SRAT").empty());
    CHECK(table(one, "SLIT").empty());
}

TEST_CASE("the SRAT says where memory may come to lie, as the last node's", "[acpi][numa]")
{
    MemoryLayout const layout{gib, 4 * gib};
    auto const count = GENERATE(1U, 2U);
    auto const nodes = numa_nodes(layout, 2, count);
    auto const tables = acpi_tables({.cpus = 2, .nodes = nodes, .hot_add = layout.hot_add()});
    auto const srat = table(tables, "SRAT");
    REQUIRE(srat.size() == sizeof(acpi::SystemAffinity) + 2 * sizeof(acpi::ApicAffinity) +
                               (count + 1) * sizeof(acpi::MemoryAffinity));
    auto const last = value_at<acpi::MemoryAffinity>(srat, srat.size() - sizeof(acpi::MemoryAffinity));
    CHECK(std::uint32_t{last.node} == count - 1);
    CHECK(std::uint64_t{last.base} == 4 * gib);
    CHECK(std::uint64_t{last.size} == 3 * gib);
    CHECK(std::uint32_t{last.flags} == 3); // enabled, hot pluggable
    CHECK(table(tables, "SLIT").empty() == (count == 1));
}
