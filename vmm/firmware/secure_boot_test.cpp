#include "hv/testing/catch.hpp"
#include "vmm/firmware/secure_boot.hpp"
#include "vmm/firmware/testing/images.hpp"

#include <filesystem>
#include <fstream>
#include <iterator>

using namespace vmm::firmware;
using namespace vmm::firmware::testing;

namespace {

bool on(std::string const& image)
{
    return switches_on_secure_boot(bytes(image));
}

std::string with_key(std::uint8_t state = 0x3F)
{
    auto image = variables();
    put_variable(image, first_variable, platform_key, u"PK", "key", state);
    return image;
}

} // namespace

TEST_CASE("a platform key switches Secure Boot on", "[firmware][secure_boot]")
{
    CHECK_FALSE(on(variables()));
    CHECK(on(with_key()));
    CHECK(on(with_key(0x3E)));       // until what replaces it is there
    CHECK_FALSE(on(with_key(0x3C))); // deleted
    CHECK_FALSE(on(with_key(0x7F))); // not written to its end

    auto image = variables();
    put_variable(image, first_variable, enable_switch, u"PK", "key");
    CHECK_FALSE(on(image)); // another's
    put_variable(image, first_variable, platform_key, u"PKx", "key");
    CHECK_FALSE(on(image));
    put_variable(image, first_variable, platform_key, u"PK", "");
    CHECK_FALSE(on(image));
}

TEST_CASE("the firmware's menu switches it off, and on again", "[firmware][secure_boot]")
{
    auto image = variables();
    auto at = put_variable(image, first_variable, platform_key, u"PK", "key");
    CHECK(put_variable(image, at, enable_switch, u"SecureBootEnable", std::string{'\0'}) > at);
    CHECK_FALSE(on(image));
    at = put_variable(image, at, enable_switch, u"SecureBootEnable", std::string{'\0'}, 0x3C);
    put_variable(image, at, enable_switch, u"SecureBootEnable", "\x01");
    CHECK(on(image));
}

TEST_CASE("a store that a guest has damaged is not read beyond its end", "[firmware][secure_boot]")
{
    for (auto const field : {std::size_t{36}, std::size_t{40}}) { // the sizes of name and data
        for (auto const size : {0xFFFF'FFFFU, 0x8000'0000U, static_cast<std::uint32_t>(variables_size)}) {
            auto image = with_key();
            put(image, first_variable + field, size);
            CHECK_FALSE(on(image));
        }
    }
    for (auto const size : {0U, 27U, 28U, 28U + 59U, 0xFFFF'FFFFU}) {
        auto image = with_key();
        put(image, volume_header + 16, size);
        CHECK_FALSE(on(image));
    }
    auto image = with_key();
    image[volume_header + 21] = '\x7E'; // not healthy
    CHECK_FALSE(on(image));
    image = with_key();
    image[volume_header] = '\0'; // of another format
    CHECK_FALSE(on(image));
    CHECK_FALSE(on(""));
    CHECK_FALSE(on(code()));
}

TEST_CASE("Debian's templates are with Microsoft's keys and without", "[firmware][secure_boot]")
{
    auto const read = [](std::string const& name) {
        std::ifstream file{"/usr/share/OVMF/" + name, std::ios::binary};
        return std::string{std::istreambuf_iterator<char>{file}, {}};
    };
    if (!std::filesystem::exists("/usr/share/OVMF/OVMF_VARS_4M.ms.fd")) return; // the package is not installed
    CHECK(on(read("OVMF_VARS_4M.ms.fd")));
    CHECK_FALSE(on(read("OVMF_VARS_4M.fd")));
}
