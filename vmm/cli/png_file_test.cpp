#include "hv/testing/catch.hpp"
#include "vmm/base/user_error.hpp"
#include "vmm/cli/png_file.hpp"
#include "vmm/host/testing/contains.hpp"

#include <array>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>

using vmm::testing::Contains;

TEST_CASE("a picture becomes a PNG file", "[cli][display]")
{
    std::string folder = std::filesystem::temp_directory_path() / "porthole-png.XXXXXX";
    REQUIRE(::mkdtemp(folder.data()));
    auto const path = folder + "/x.png";
    std::array<std::byte, 6> const two{std::byte{255}, std::byte{0}, std::byte{0},
                                       std::byte{1},   std::byte{2}, std::byte{3}};
    std::ofstream{path} << "what was there before";
    vmm::write_png(path, 2, 1, two);
    std::ifstream file{path, std::ios::binary};
    std::string const content{std::istreambuf_iterator<char>{file}, {}};
    // Its signature, and the header with width, height, 8 bits a sample, colour type 2 (PNG, third
    // edition, 5.2, 11.2.1).
    constexpr std::string_view header{"\x89PNG\r\n\x1A\n\0\0\0\rIHDR\0\0\0\2\0\0\0\1\x08\2", 26};
    CHECK(content.starts_with(header));

    auto const complaint = [&](std::string const& to, std::uint32_t width) -> std::string {
        try {
            vmm::write_png(to, width, 1, two);
        } catch (vmm::UserError const& error) {
            return error.what();
        }
        return {};
    };
    CHECK_THAT(complaint(folder + "/none/x.png", 2), Contains("cannot write '"));
    CHECK_THAT(complaint(path, 3), Contains("no picture"));
    std::filesystem::remove_all(folder);
}
