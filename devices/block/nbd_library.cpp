#include "devices/block/nbd_library.hpp"

#include "devices/block/backend.hpp"

#include <dlfcn.h>
#include <string>

namespace devices::block {

namespace {

[[noreturn]] void refuse()
{
    auto const* const why = ::dlerror();
    throw OpenError{std::string{"NBD disks need libnbd, which cannot be loaded ("} + (why ? why : "unknown error") +
                    "): install it with 'apt-get install libnbd0'"};
}

NbdLibrary load()
{
    auto* const library = ::dlopen("libnbd.so.0", RTLD_NOW | RTLD_LOCAL);
    if (!library) refuse();
    NbdLibrary functions{};
    auto const find = [library](char const* name) {
        auto* const address = ::dlsym(library, name);
        if (!address) refuse();
        return address;
    };
#define PORTHOLE_NBD_FIND(name) functions.name = reinterpret_cast<decltype(functions.name)>(find("nbd_" #name));
    PORTHOLE_NBD_FUNCTIONS(PORTHOLE_NBD_FIND)
#undef PORTHOLE_NBD_FIND
    return functions;
}

} // namespace

NbdLibrary const& nbd_library()
{
    static auto const library = load();
    return library;
}

} // namespace devices::block
