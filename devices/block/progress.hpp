/// Steps through the buffers of a request that is done piece by piece.
#pragma once

#include "devices/block/backend.hpp"

namespace devices::block {

/// The most buffers that one system call takes (IOV_MAX of Linux).
inline constexpr std::size_t max_buffers_at_once = 1024;

/// `bytes` more are done. The buffer that was done in part is cut.
inline void advance(Request& request, std::size_t bytes)
{
    request.progress.bytes += bytes;
    auto& next = request.progress.next_buffer;
    while (bytes > 0) {
        auto& buffer = request.buffers[next];
        if (bytes < buffer.iov_len) {
            buffer.iov_base = static_cast<std::byte*>(buffer.iov_base) + bytes;
            buffer.iov_len -= bytes;
            return;
        }
        bytes -= buffer.iov_len;
        ++next;
    }
}

[[nodiscard]] inline bool complete(Request const& request)
{
    return request.progress.bytes == request.length;
}

} // namespace devices::block
