#include "hv/abi/guid.hpp"

namespace hv::vmbus {

std::string to_string(Guid const& guid)
{
    constexpr std::string_view digits = "0123456789abcdef";
    std::string out;
    for (std::size_t i = 0; i < guid.bytes.size(); ++i) {
        if (i == 4 || i == 6 || i == 8 || i == 10) out += '-';
        auto const byte = guid.bytes[detail::guid_order[i]];
        out += digits[byte >> 4];
        out += digits[byte & 0xF];
    }
    return out;
}

} // namespace hv::vmbus
