#include "devices/net/slirp_library.hpp"

#include "devices/base/loaded_library.hpp"

namespace devices::net {

namespace {

SlirpLibrary load()
{
    LoadedLibrary const library{"User-mode networks", "libslirp.so.0", "libslirp0"};
    SlirpLibrary functions{};
#define PORTHOLE_SLIRP_FIND(name) library.find("slirp_" #name, functions.name##_);
    PORTHOLE_SLIRP_FUNCTIONS(PORTHOLE_SLIRP_FIND)
#undef PORTHOLE_SLIRP_FIND
    return functions;
}

} // namespace

SlirpLibrary const& slirp_library()
{
    static auto const library = load();
    return library;
}

} // namespace devices::net
