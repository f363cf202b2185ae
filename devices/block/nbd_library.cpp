#include "devices/block/nbd_library.hpp"

#include "devices/base/loaded_library.hpp"
#include "devices/block/backend.hpp"

namespace devices::block {

namespace {

NbdLibrary load()
try {
    LoadedLibrary const library{"NBD disks", "libnbd.so.0", "libnbd0"};
    NbdLibrary functions{};
#define PORTHOLE_NBD_FIND(name) library.find("nbd_" #name, functions.name);
    PORTHOLE_NBD_FUNCTIONS(PORTHOLE_NBD_FIND)
#undef PORTHOLE_NBD_FIND
    return functions;
} catch (std::runtime_error const& error) {
    throw OpenError{error.what()};
}

} // namespace

NbdLibrary const& nbd_library()
{
    static auto const library = load();
    return library;
}

} // namespace devices::block
