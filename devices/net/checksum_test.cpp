#include "devices/net/checksum.hpp"
#include "hv/testing/catch.hpp"

#include <array>
#include <vector>

namespace devices::net {

namespace {

template <typename... Byte>
std::vector<std::byte> bytes(Byte... b)
{
    return {static_cast<std::byte>(b)...};
}

std::uint16_t big_endian(std::uint16_t in_memory)
{
    return static_cast<std::uint16_t>(in_memory << 8 | in_memory >> 8);
}

} // namespace

TEST_CASE("The example of RFC 1071 adds up, in one piece and in odd ones", "[net][checksum]")
{
    auto const data = bytes(0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7);
    for (std::size_t cut = 0; cut <= data.size(); ++cut) {
        ChecksumSum sum;
        sum.add(std::span{data}.first(cut));
        sum.add(std::span{data}.subspan(cut));
        CHECK(big_endian(sum.folded()) == 0xddf2);
    }
}

TEST_CASE("Long data has the sum of its words, carries included", "[net][checksum]")
{
    std::vector<std::byte> const data(65535, std::byte{0xff});
    ChecksumSum sum;
    sum.add(data);
    CHECK(big_endian(sum.folded()) == 0xff00); // 32767 times ffff is ffff; and then ff00
}

TEST_CASE("An IPv4 header gets its checksum, whatever is in the field", "[net][checksum]")
{
    // A well-known example: 172.16.10.99 to 172.16.10.12.
    auto header = bytes(0x45, 0x00, 0x00, 0x3c, 0x1c, 0x46, 0x40, 0x00, 0x40, 0x06, 0xAA, 0xBB, 0xac, 0x10, 0x0a,
                        0x63, 0xac, 0x10, 0x0a, 0x0c);
    CHECK(big_endian(ipv4_header_checksum(header)) == 0xb1e6);
}

TEST_CASE("A checksum that is left to do is filled in across pieces", "[net][checksum]")
{
    // The field at offset 4 from byte 3 on: words 0102 0304 (field) 0607 and the odd byte 08.
    auto a = bytes(9, 9, 9, 1, 2, 3, 4, 0);
    auto b = bytes(0, 6, 7, 8);
    std::array const pieces{iovec{a.data(), a.size()}, iovec{b.data(), b.size()}};
    Offload offload{.flags = Offload::needs_checksum, .checksum_start = 3, .checksum_offset = 4};
    fill_in_checksum(offload, pieces, 12);
    CHECK(offload.flags == 0);
    auto const expected = static_cast<std::uint16_t>(~(0x0102 + 0x0304 + 0x0607 + 0x0800));
    CHECK(a[7] == static_cast<std::byte>(expected >> 8));
    CHECK(b[0] == static_cast<std::byte>(expected & 0xff));
    CHECK(b[1] == std::byte{6});
}

TEST_CASE("A UDP checksum of zero goes out as ffff", "[net][checksum]")
{
    auto a = bytes(0xff, 0xff, 0, 0, 0, 0, 0, 0);
    std::array const pieces{iovec{a.data(), a.size()}};
    Offload offload{.flags = Offload::needs_checksum, .checksum_start = 0, .checksum_offset = 6};
    fill_in_checksum(offload, pieces, a.size());
    CHECK(a[6] == std::byte{0xff});
    CHECK(a[7] == std::byte{0xff});
}

TEST_CASE("A checksum field beyond the frame is left alone", "[net][checksum]")
{
    auto a = bytes(1, 2, 3, 4);
    auto const before = a;
    std::array const pieces{iovec{a.data(), a.size()}};
    for (unsigned const position : {0, 3, 4, 100, 65535}) {
        auto const start = static_cast<std::uint16_t>(position);
        Offload offload{.flags = Offload::needs_checksum, .checksum_start = start, .checksum_offset = 65535};
        fill_in_checksum(offload, pieces, a.size());
        offload = {.flags = Offload::needs_checksum, .checksum_start = start, .checksum_offset = 3};
        fill_in_checksum(offload, pieces, a.size());
        CHECK(a == before);
    }
}

} // namespace devices::net
