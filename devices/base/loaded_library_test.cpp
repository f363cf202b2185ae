#include "devices/base/loaded_library.hpp"
#include "hv/testing/catch.hpp"

#include <stdexcept>

TEST_CASE("A library's functions are found", "[devices]")
{
    devices::LoadedLibrary const library{"Disks", "libc.so.6", "libc6"};
    int (*absolute)(int) = nullptr;
    library.find("abs", absolute);
    REQUIRE(absolute);
    CHECK(absolute(-3) == 3);
}

TEST_CASE("A library that is not there is complained about in one line that helps", "[devices]")
{
    using Catch::Matchers::Message;
    CHECK_THROWS_WITH((devices::LoadedLibrary{"NBD disks", "libnosuch.so.0", "libnosuch0"}),
                      Catch::StartsWith("NBD disks need libnosuch.so.0, which cannot be loaded (") &&
                          Catch::EndsWith("): install it with 'apt-get install libnosuch0'"));
    devices::LoadedLibrary const library{"Disks", "libc.so.6", "libc6"};
    int (*nothing)() = nullptr;
    CHECK_THROWS_WITH(library.find("no_such_function", nothing), Catch::Contains("no_such_function"));
}
