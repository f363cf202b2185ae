#include "devices/base/loaded_library.hpp"

#include <dlfcn.h>
#include <stdexcept>
#include <string>

namespace devices {

LoadedLibrary::LoadedLibrary(char const* user, char const* file, char const* package)
    : user_{user}, file_{file}, package_{package}, handle_{::dlopen(file, RTLD_NOW | RTLD_LOCAL)}
{
    if (!handle_) refuse();
}

void* LoadedLibrary::address(char const* name) const
{
    auto* const found = ::dlsym(handle_, name);
    if (!found) refuse();
    return found;
}

void LoadedLibrary::refuse() const
{
    auto const* const why = ::dlerror();
    throw std::runtime_error{std::string{user_} + " need " + file_ + ", which cannot be loaded (" +
                             (why ? why : "unknown error") + "): install it with 'apt-get install " + package_ + "'"};
}

} // namespace devices
