/// libnbd, loaded with the first NBD disk. It brings libraries for TLS, XML and Unicode with it that take more memory
/// than all of Porthole, and a guest without such a disk need not pay for them.
#pragma once

#include <libnbd.h>

namespace devices::block {

/// Its functions, by their names without "nbd_".
struct NbdLibrary {
#define PORTHOLE_NBD_FUNCTIONS(use)                                                                                  \
    use(create) use(close) use(get_error) use(get_size) use(is_read_only) use(can_flush) use(can_trim) use(can_zero) \
        use(get_block_size) use(aio_connect_uri) use(aio_connect_socket) use(aio_disconnect) use(aio_get_fd)         \
            use(aio_get_direction) use(aio_notify_read) use(aio_notify_write) use(aio_is_connecting)                 \
                use(aio_is_ready) use(aio_is_dead) use(aio_is_closed) use(aio_pread) use(aio_pwrite) use(aio_flush)  \
                    use(aio_trim) use(aio_zero)
#define PORTHOLE_NBD_MEMBER(name) decltype(&::nbd_##name) name;
    PORTHOLE_NBD_FUNCTIONS(PORTHOLE_NBD_MEMBER)
#undef PORTHOLE_NBD_MEMBER
};

/// Stays loaded. Throws OpenError where it is not installed.
[[nodiscard]] NbdLibrary const& nbd_library();

} // namespace devices::block
