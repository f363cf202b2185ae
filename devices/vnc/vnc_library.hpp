/// libvncserver, loaded with the first display that is to be seen by VNC: it brings libraries for TLS and pictures.
#pragma once

// Its sizes follow from the compiler's macros alone.
#include <rfb/rfb.h>

namespace devices::vnc {

/// Its functions, by their names.
struct VncLibrary {
#define PORTHOLE_VNC_FUNCTIONS(use)                                                                                  \
    use(rfbGetScreen) use(rfbInitServer) use(rfbScreenCleanup) use(rfbNewClient) use(rfbProcessEvents)               \
        use(rfbNewFramebuffer) use(rfbMarkRectAsModified) use(rfbSetCursor) use(rfbCloseClient)                      \
            use(rfbCheckPasswordByList) use(rfbEncryptBytes) use(rfbLogEnable)
#define PORTHOLE_VNC_MEMBER(name) decltype(&::name) name##_;
    PORTHOLE_VNC_FUNCTIONS(PORTHOLE_VNC_MEMBER)
#undef PORTHOLE_VNC_MEMBER
};

/// Stays loaded. Throws std::runtime_error where it is not installed.
[[nodiscard]] VncLibrary const& vnc_library();

/// Makes ready for passwords. Throws likewise.
void begin_passwords();

} // namespace devices::vnc
