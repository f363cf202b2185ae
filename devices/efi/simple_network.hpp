/// EFI_SIMPLE_NETWORK_PROTOCOL: UEFI Specification 2.10 §24.1.
#pragma once

#include "devices/efi/efi.hpp"

namespace efi {

struct NetworkAddress {
    uint8_t bytes[32]; ///< of Ethernet the first six
};

struct SimpleNetwork {
    static constexpr Guid guid{0xA19832B9, 0xAC25, 0x11D3, {0x9A, 0x2D, 0x00, 0x90, 0x27, 0x3F, 0xC1, 0x4D}};
    static constexpr uint64_t first_revision = 0x0001'0000;
    static constexpr size_t most_groups = 16;

    enum class State : uint32_t { Stopped = 0, Started = 1, Initialized = 2 };

    struct Filter {
        static constexpr uint32_t unicast = 0x01;
        static constexpr uint32_t multicast = 0x02;
        static constexpr uint32_t broadcast = 0x04;
        static constexpr uint32_t promiscuous = 0x08;
        static constexpr uint32_t all_multicast = 0x10;
        static constexpr uint32_t all = 0x1F;
    };
    struct Interrupt {
        static constexpr uint32_t received = 0x01;
        static constexpr uint32_t transmitted = 0x02;
    };

    struct Mode {
        State state;
        uint32_t address_size;
        uint32_t header_size;
        uint32_t most_payload; ///< bytes
        uint32_t nvram_size;
        uint32_t nvram_access_size;
        uint32_t filters; ///< that there are
        uint32_t filter;
        uint32_t most_groups;
        uint32_t group_count;
        NetworkAddress groups[SimpleNetwork::most_groups];
        NetworkAddress current_address;
        NetworkAddress broadcast_address;
        NetworkAddress permanent_address;
        uint8_t kind; ///< RFC 3232
        bool address_changeable;
        bool several_transmitted;
        bool media_known;
        bool media_present;
    };

    uint64_t revision;
    Status (*start)(SimpleNetwork* self);
    Status (*stop)(SimpleNetwork* self);
    Status (*initialize)(SimpleNetwork* self, size_t more_receive_buffer, size_t more_transmit_buffer);
    Status (*reset)(SimpleNetwork* self, bool extended);
    Status (*shutdown)(SimpleNetwork* self);
    Status (*receive_filters)(SimpleNetwork* self, uint32_t enable, uint32_t disable, bool reset_groups,
                              size_t group_count, NetworkAddress const* groups);
    Status (*station_address)(SimpleNetwork* self, bool reset, NetworkAddress const* address);
    Status (*statistics)(SimpleNetwork* self, bool reset, size_t* size, void* table);
    Status (*group_of_ip)(SimpleNetwork* self, bool ipv6, uint8_t const* ip, NetworkAddress* group);
    Status (*nv_data)(SimpleNetwork* self, bool read, size_t offset, size_t size, void* buffer);
    Status (*get_status)(SimpleNetwork* self, uint32_t* interrupts, void** transmitted);
    Status (*transmit)(SimpleNetwork* self, size_t header_size, size_t size, void* buffer, NetworkAddress const* from,
                       NetworkAddress const* to, uint16_t const* protocol);
    Status (*receive)(SimpleNetwork* self, size_t* header_size, size_t* size, void* buffer, NetworkAddress* from,
                      NetworkAddress* to, uint16_t* protocol);
    Event wait_for_packet;
    Mode* mode;
};
static_assert(sizeof(SimpleNetwork::Mode) == 40 + 19 * 32 + 8);
static_assert(offsetof(SimpleNetwork, mode) == 8 + 13 * 8 + 8);

} // namespace efi
