#include "devices/pc/resources.hpp"
#include "hv/testing/catch.hpp"

#include <stdexcept>
#include <string>

using devices::Resources;

namespace {

std::string refusal(Resources& resources, Resources::Claim claim)
{
    try {
        resources.add(std::move(claim));
    } catch (std::logic_error const& error) {
        return error.what();
    }
    return {};
}

} // namespace

TEST_CASE("two claims of one thing are refused with both names", "[resources]")
{
    Resources resources;
    resources.add({.owner = "first", .ports = {{0x300, 8}}, .memory = {{0xFED0'0000, 0x1000}}, .interrupts = {{5}}});
    for (auto const port : {std::uint16_t{0x2F9}, std::uint16_t{0x300}, std::uint16_t{0x307}})
        CHECK(refusal(resources, {.owner = "second", .ports = {{port, 8}}})
                  .starts_with("second and first both claim I/O port 0x30"));
    CHECK(refusal(resources, {.owner = "second", .memory = {{0xFECF'F000, 0x1001}}}) ==
          "second and first both claim address 0xFED00000");
    CHECK(refusal(resources, {.owner = "second", .memory = {{0, ~std::uint64_t{0}}}}) ==
          "second and first both claim address 0xFED00000");
    CHECK(refusal(resources, {.owner = "second", .interrupts = {{5}}}) == "second and first both claim interrupt 5");
    CHECK(resources.claims().size() == 1);

    CHECK(refusal(resources, {.owner = "second", .ports = {{0x2F8, 8}, {0x308, 8}}, .memory = {{0xFED0'1000, 1}}})
              .empty());
    CHECK(resources.owner_of_port(0x307) == "first");
    CHECK(resources.owner_of_port(0x308) == "second");
    CHECK(resources.owner_of_port(0x310).empty());
}

TEST_CASE("claims beyond the last port or address are refused", "[resources]")
{
    Resources resources;
    CHECK(refusal(resources, {.owner = "it", .ports = {{0xFFFF, 2}}}) == "it claims ports beyond the last");
    CHECK(refusal(resources, {.owner = "it", .memory = {{~std::uint64_t{0}, 2}}}) ==
          "it claims addresses beyond the last");
    CHECK(refusal(resources, {.owner = "it", .ports = {{0xFFFF, 1}}}).empty());
}

TEST_CASE("the PC's own claims fit together", "[resources]")
{
    auto resources = devices::pc_resources();
    CHECK(resources.owner_of_port(0x3F8) == "COM1");
    CHECK(refusal(resources, {.owner = "fw_cfg", .ports = {devices::platform::fw_cfg}}).empty());
    CHECK(refusal(resources, {.owner = "another", .ports = {{0xCF9, 1}}}) ==
          "another and PCI configuration and reset both claim I/O port 0xCF9");
}
