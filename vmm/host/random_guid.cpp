#include "vmm/host/random_guid.hpp"

#include <cerrno>
#include <sys/random.h>
#include <system_error>

namespace vmm {

hv::vmbus::Guid random_guid()
{
    constexpr std::size_t version = 7; // the high byte of the third field, which lies behind its low byte
    constexpr std::size_t variant = 8;
    hv::vmbus::Guid guid;
    // A request this small is neither interrupted nor answered in part (getrandom(2)).
    if (::getrandom(guid.bytes.data(), guid.bytes.size(), 0) < 0)
        throw std::system_error{errno, std::generic_category(), "cannot get random numbers"};
    guid.bytes[version] = static_cast<std::uint8_t>((guid.bytes[version] & 0x0F) | 0x40);
    guid.bytes[variant] = static_cast<std::uint8_t>((guid.bytes[variant] & 0x3F) | 0x80);
    return guid;
}

} // namespace vmm
