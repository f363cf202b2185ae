/// libslirp, loaded with the first user-mode network: it brings glib.
#pragma once

#include <slirp/libslirp.h>

namespace devices::net {

/// Its functions, by their names without "slirp_".
struct SlirpLibrary {
#define PORTHOLE_SLIRP_FUNCTIONS(use)                                                                                \
    use(new) use(cleanup) use(pollfds_fill) use(pollfds_poll) use(input) use(add_hostxfwd)
#define PORTHOLE_SLIRP_MEMBER(name) decltype(&::slirp_##name) name##_;
    PORTHOLE_SLIRP_FUNCTIONS(PORTHOLE_SLIRP_MEMBER)
#undef PORTHOLE_SLIRP_MEMBER
};

/// Throws std::runtime_error where it is not installed.
[[nodiscard]] SlirpLibrary const& slirp_library();

} // namespace devices::net
