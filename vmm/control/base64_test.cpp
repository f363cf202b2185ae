#include "hv/testing/catch.hpp"
#include "vmm/control/base64.hpp"

using vmm::control::base64;
using vmm::control::from_base64;

namespace {

std::span<std::byte const> bytes_of(std::string_view text)
{
    return std::as_bytes(std::span{text});
}

} // namespace

TEST_CASE("bytes become text and bytes again", "[control]")
{
    // RFC 4648 §10
    auto const [plain, coded] =
        GENERATE(std::pair{"", ""}, std::pair{"f", "Zg=="}, std::pair{"fo", "Zm8="}, std::pair{"foo", "Zm9v"},
                 std::pair{"foob", "Zm9vYg=="}, std::pair{"fooba", "Zm9vYmE="}, std::pair{"foobar", "Zm9vYmFy"});
    CHECK(base64(bytes_of(plain)) == coded);
    auto const back = from_base64(coded);
    REQUIRE(back);
    CHECK(std::ranges::equal(*back, bytes_of(plain)));
}

TEST_CASE("all bytes are kept", "[control]")
{
    std::vector<std::byte> all;
    for (unsigned i = 0; i < 256; ++i)
        all.push_back(static_cast<std::byte>(i));
    CHECK(from_base64(base64(all)) == all);
}

TEST_CASE("what is no base64 is refused", "[control][hostile]")
{
    auto const text = GENERATE("Z", "Zg=", "Z===", "====", "Zm 9", "Zm9v\n", "Zg==Zg==");
    CHECK_FALSE(from_base64(text));
}
