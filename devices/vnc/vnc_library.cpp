#include "devices/vnc/vnc_library.hpp"

#include "devices/base/loaded_library.hpp"

#include <array>
#include <cstdlib>
#include <stdexcept>

namespace devices::vnc {

namespace {

/// GnuTLS sets itself up when it is loaded, in hundreds of KiB, unless told not to. Here nobody uses it: displays
/// have no certificates, without which libvncserver refuses TLS by itself. Before there are threads that read
/// variables.
class WithoutTls {
  public:
    WithoutTls() { ::setenv(variable, "1", 1); }
    WithoutTls(WithoutTls const&) = delete;
    WithoutTls& operator=(WithoutTls const&) = delete;
    ~WithoutTls() { ::unsetenv(variable); }

  private:
    static constexpr char const* variable = "GNUTLS_NO_IMPLICIT_INIT";
};

/// The library that encrypts reads files when it is first used, which a thread in the jail may not do: a viewer that
/// speaks WebSockets, which want a checksum, would end the run.
void begin_encryption(LoadedLibrary const& library)
{
    try {
        char const* (*begin)(char const* version) = nullptr;
        library.find("gcry_check_version", begin);
        begin(nullptr);
    } catch (std::runtime_error const&) { // built with another library
    }
}

VncLibrary load()
{
    WithoutTls const without_tls;
    LoadedLibrary const library{"Displays by VNC", "libvncserver.so.1", "libvncserver1"};
    VncLibrary functions{};
// The header has another name for one of them, which has to become the real one first.
#define PORTHOLE_VNC_TEXT(name) #name
#define PORTHOLE_VNC_FIND(name) library.find(PORTHOLE_VNC_TEXT(name), functions.name##_);
    PORTHOLE_VNC_FUNCTIONS(PORTHOLE_VNC_FIND)
#undef PORTHOLE_VNC_FIND
#undef PORTHOLE_VNC_TEXT
    functions.rfbLogEnable_(0); // every client would write lines
    begin_encryption(library);
    return functions;
}

} // namespace

VncLibrary const& vnc_library()
{
    static auto const library = load();
    return library;
}

/// What encrypts them tells syslog when it is first used: a guess of a viewer's would end the run.
void begin_passwords()
{
    std::array<unsigned char, CHALLENGESIZE> challenge{};
    std::array<char, 9> password{"password"};
    vnc_library().rfbEncryptBytes_(challenge.data(), password.data());
}

} // namespace devices::vnc
