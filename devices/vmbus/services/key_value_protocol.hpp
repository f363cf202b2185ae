/// The messages of the key-value exchange (Linux include/uapi/linux/hyperv.h: hv_kvp_msg, hv_kvp_ip_msg). Sizes are
/// in bytes; strings are UTF-16 and end with a NUL, which their sizes count.
#pragma once

#include <cstddef>
#include <cstdint>

namespace devices::vmbus::key_value {

enum class Operation : std::uint8_t {
    Get = 0,
    Set = 1,
    Delete = 2,
    Enumerate = 3,
    GetAddresses = 4,
    SetAddresses = 5
};

/// Whose values they are.
enum class Pool : std::uint8_t {
    External = 0, ///< the host sets them for the guest
    Guest = 1,    ///< a guest's programs set them for the host
    Auto = 2,     ///< the guest's system says what it is
    AutoExternal = 3,
};

enum class ValueType : std::uint32_t { String = 1, ExpandString = 2, Number32 = 4, Number64 = 11 };

inline constexpr std::size_t key_bytes = 512;
inline constexpr std::size_t value_bytes = 2048;

struct Header {
    Operation operation;
    Pool pool;
    std::uint16_t reserved;
};

struct Value {
    ValueType type;
    std::uint32_t key_size;
    std::uint32_t value_size;
    std::byte key[key_bytes];
    std::byte value[value_bytes];
};
static_assert(sizeof(Value) == 12 + key_bytes + value_bytes);

/// Also gets.
struct SetMessage {
    Header header;
    Value value;
};
static_assert(sizeof(SetMessage) == 2576);

struct DeleteMessage {
    Header header;
    std::uint32_t key_size;
    std::byte key[key_bytes];
};

struct EnumerateMessage {
    Header header;
    std::uint32_t index;
    Value value;
};
static_assert(sizeof(EnumerateMessage) == 2580);

enum class Family : std::uint8_t { None = 0, Ipv4 = 1, Ipv6 = 2, Both = 3 };

/// Lists are separated by semicolons.
struct AddressMessage {
    Operation operation;
    Pool pool;
    std::byte adapter[256]; ///< the network adapter's address, "52:54:00:AB:CD:EF"
    Family family;
    std::uint8_t dhcp;
    std::byte addresses[2048];
    std::byte subnets[2048];
    std::byte gateways[1024];
    std::byte dns_servers[2048];
};
static_assert(sizeof(AddressMessage) == 7428 && offsetof(AddressMessage, family) == 258);

} // namespace devices::vmbus::key_value
