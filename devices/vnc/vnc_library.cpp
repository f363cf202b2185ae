#include "devices/vnc/vnc_library.hpp"

#include "devices/base/loaded_library.hpp"

#include <array>
#include <stdexcept>

namespace devices::vnc {

namespace {

/// The library that encrypts passwords reads files and tells syslog when it is first used, which a thread in the jail
/// may not do: a guess of a viewer's would end the run.
void begin_encryption(LoadedLibrary const& library, VncLibrary const& functions)
{
    try {
        char const* (*begin)(char const* version) = nullptr;
        library.find("gcry_check_version", begin);
        begin(nullptr);
    } catch (std::runtime_error const&) { // built with another library
    }
    std::array<unsigned char, CHALLENGESIZE> challenge{};
    std::array<char, 9> password{"password"};
    functions.rfbEncryptBytes_(challenge.data(), password.data());
}

VncLibrary load()
{
    LoadedLibrary const library{"Displays by VNC", "libvncserver.so.1", "libvncserver1"};
    VncLibrary functions{};
// The header has another name for one of them, which has to become the real one first.
#define PORTHOLE_VNC_TEXT(name) #name
#define PORTHOLE_VNC_FIND(name) library.find(PORTHOLE_VNC_TEXT(name), functions.name##_);
    PORTHOLE_VNC_FUNCTIONS(PORTHOLE_VNC_FIND)
#undef PORTHOLE_VNC_FIND
#undef PORTHOLE_VNC_TEXT
    functions.rfbLogEnable_(0); // every client would write lines
    begin_encryption(library, functions);
    return functions;
}

} // namespace

VncLibrary const& vnc_library()
{
    static auto const library = load();
    return library;
}

} // namespace devices::vnc
