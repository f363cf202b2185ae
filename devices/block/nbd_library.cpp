#include "devices/block/nbd_library.hpp"

#include "devices/base/loaded_library.hpp"
#include "devices/block/backend.hpp"

namespace devices::block {

namespace {

/// A display may have loaded GnuTLS without setting it up. Twice is as good as once.
void begin_tls(LoadedLibrary const& library)
{
    try {
        int (*begin)() = nullptr;
        library.find("gnutls_global_init", begin);
        begin();
    } catch (std::runtime_error const&) { // built without TLS
    }
}

NbdLibrary load()
try {
    LoadedLibrary const library{"NBD disks", "libnbd.so.0", "libnbd0"};
    begin_tls(library);
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
