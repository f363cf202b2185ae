#include "hv/testing/catch.hpp"
#include "hv/testing/vmbus_guest.hpp"
#include "hv/vmbus/packet.hpp"

#include <vector>

using namespace hv;
using namespace hv::testing;
using vmbus::GuestSpan;

namespace {

constexpr std::uint64_t mebibyte = 1 << 20;

bool parse(std::vector<std::byte> const& header, GuestMemory const& memory, std::vector<GuestSpan>& out,
           std::uint64_t most = mebibyte)
{
    vmbus::Packet const packet{{abi::PacketType::DataUsingGpaDirect, 0, 0, 0, 0}, header, {}};
    return vmbus::gpa_direct(packet, memory, most, out);
}

} // namespace

TEST_CASE("a GPA-direct packet names guest memory, neighbouring pages in one piece", "[vmbus]")
{
    TestChannel const channel;
    std::vector<GuestSpan> out;
    REQUIRE(parse(gpa_direct_header(3 * page_size, 100, {10, 11, 13, 14}), channel.memory(), out));
    REQUIRE(out.size() == 2);
    CHECK(out[0].data() == channel.page(10) + 100);
    CHECK(out[0].size() == 2 * page_size - 100);
    CHECK(out[1].data() == channel.page(13));
    CHECK(out[1].size() == page_size + 100);
}

TEST_CASE("the pages of a GPA-direct packet may lie in several regions", "[vmbus]")
{
    std::vector<std::byte> ram(4 * page_size + page_size);
    auto const padding = -reinterpret_cast<std::uintptr_t>(ram.data()) % page_size;
    auto* const host = ram.data() + padding;
    GuestMemory memory; // two regions that follow on in the guest, the other way round on the host
    memory.add({Gpa{0}, 2 * page_size, host + 2 * page_size});
    memory.add({Gpa{2 * page_size}, 2 * page_size, host});
    std::vector<GuestSpan> out;
    REQUIRE(parse(gpa_direct_header(4 * page_size - 8, 8, {0, 1, 2, 3}), memory, out));
    REQUIRE(out.size() == 2);
    CHECK(out[0].data() == host + 2 * page_size + 8);
    CHECK(out[0].size() == 2 * page_size - 8);
    CHECK(out[1].data() == host);
    CHECK(out[1].size() == 2 * page_size);
    CHECK_FALSE(parse(gpa_direct_header(2 * page_size, 0, {3, 4}), memory, out));
}

TEST_CASE("a GPA-direct packet that lies is refused", "[vmbus]")
{
    TestChannel const channel;
    std::vector<GuestSpan> out;
    auto header = gpa_direct_header(2 * page_size, 0, {10, 11});
    SECTION("pages are missing")
    {
        header.resize(header.size() - 8);
    }
    SECTION("a page is not RAM")
    {
        header = gpa_direct_header(2 * page_size, 0, {10, 1 << 20});
    }
    SECTION("a page number overflows an address")
    {
        header = gpa_direct_header(2 * page_size, 0, {10, ~std::uint64_t{0}});
    }
    SECTION("the offset is beyond the first page")
    {
        header = gpa_direct_header(8, page_size, {10, 11});
    }
    SECTION("there are more ranges than it says")
    {
        header[4] = std::byte{2};
    }
    SECTION("there is no header at all")
    {
        header.clear();
    }
    SECTION("it is too much")
    {
        header = gpa_direct_header(mebibyte + 1, 0, {10, 11});
    }
    CHECK_FALSE(parse(header, channel.memory(), out));
}
