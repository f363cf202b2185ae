// What ACPI says of a TPM (TCG ACPI Specification 1.4; ACPI 6.5 §6.4.3.4).
#include "devices/tpm/crb.hpp"
#include "hv/testing/catch.hpp"
#include "hv/testing/value_at.hpp"
#include "vmm/acpi/acpi.hpp"
#include "vmm/acpi/tables.hpp"

#include <algorithm>
#include <string_view>

using namespace vmm;
using hv::testing::value_at;

namespace {

constexpr std::uint64_t control_area = devices::tpm::crb_address + devices::tpm::crb::control_request;

/// Where these bytes begin; the end where they are not.
std::size_t place_of(std::vector<std::byte> const& all, std::string_view bytes)
{
    auto const found = std::ranges::search(all, std::as_bytes(std::span{bytes}));
    return static_cast<std::size_t>(found.begin() - all.begin());
}

} // namespace

TEST_CASE("a TPM has a table, which says how commands are started", "[acpi][tpm]")
{
    auto const tables = acpi_tables({.tpm = control_area});
    auto const at = place_of(tables.bytes, "TPM2");
    REQUIRE(at < tables.bytes.size());
    auto const table = value_at<acpi::TrustedPlatform>(tables.bytes, at);
    CHECK(table.header.length == 64);
    CHECK(table.header.revision == 4);
    CHECK(table.control_area == 0xFED4'0040);
    CHECK(table.start_method == 7);
    auto const bytes = std::uint32_t{sizeof table};
    CHECK(std::ranges::any_of(tables.checksums,
                              [&](auto const& sum) { return sum.start == at && sum.length == bytes; }));
    auto const none = acpi_tables({});
    CHECK(place_of(none.bytes, "TPM2") == none.bytes.size());
    CHECK(tables.pointers.size() == none.pointers.size() + 1);
}

TEST_CASE("the device of a TPM has an ID of ACPI's, and its registers", "[acpi][tpm]")
{
    devices::Resources resources;
    resources.add({.owner = "the TPM",
                   .memory = {{devices::tpm::crb_address, devices::tpm::crb_size}},
                   .described = devices::Resources::Described::AsDevice,
                   .acpi_name = "TPM0",
                   .plug_and_play_id = "MSFT0101"});
    auto const bytes = acpi_tables({.claims = resources.claims()}).bytes;
    using namespace std::string_view_literals;
    CHECK(place_of(bytes, "TPM0\x08_HID\x0DMSFT0101\0"sv) < bytes.size());
    CHECK(place_of(bytes, "\x86\x09\0\x01\0\0\xD4\xFE\0\x10\0\0\x79"sv) < bytes.size());
}
