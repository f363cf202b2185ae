#include "vmm/firmware/secure_boot.hpp"

#include "hv/abi/guid.hpp"
#include "vmm/firmware/volume.hpp"

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>
#include <string_view>

namespace vmm::firmware {

namespace {

using hv::vmbus::Guid;
using hv::vmbus::guid;

constexpr auto authenticated = guid("aaf32c78-947b-439a-a180-2e144ec37792"); ///< gEfiAuthenticatedVariableGuid
constexpr auto global = guid("8be4df61-93ca-11d2-aa0d-00e098032b8c");        ///< UEFI Specification 2.10 §3.3
constexpr auto switched = guid("f0a30bc7-af08-4556-99c4-001009c93a44");      ///< gEfiSecureBootEnableDisableGuid

#pragma pack(push, 1)

/// edk2 MdeModulePkg/Include/Guid/VariableFormat.h, AUTHENTICATED_VARIABLE_HEADER.
struct Header {
    static constexpr std::uint16_t mark = 0x55AA;

    std::uint16_t start;
    std::uint8_t state;
    std::uint8_t reserved;
    std::uint32_t attributes;
    std::uint64_t count;
    std::array<std::uint8_t, 16> time;
    std::uint32_t key;
    std::uint32_t name_size; ///< bytes
    std::uint32_t data_size;
    Guid vendor;
};
static_assert(sizeof(Header) == 60);

#pragma pack(pop)

/// A bit is cleared for each step of a variable's life: 0x3F is there; 0x3E is there until what replaces it is.
constexpr std::uint8_t there = 0x3F;
constexpr std::uint8_t there_still = 0x3E;

struct Variable {
    Guid vendor;
    std::span<std::byte const> name; ///< UTF-16, with its end
    std::span<std::byte const> data;
};

/// The store behind a volume's header, without its own; empty when it is none of authenticated variables.
std::span<std::byte const> variables_in(std::span<std::byte const> image)
{
    auto const volume = read_volume(image);
    if (!volume || !volume->holds_variables || volume->header_size + store_header_size > image.size()) return {};
    auto const store = image.subspan(volume->header_size);
    std::uint32_t size = 0;
    std::memcpy(&size, store.data() + authenticated.bytes.size(), sizeof size);
    bool const known =
        std::ranges::equal(store.first(authenticated.bytes.size()), std::as_bytes(std::span{authenticated.bytes}));
    if (!known || !is_healthy_store(store) || size < store_header_size || size > store.size()) return {};
    return store.subspan(store_header_size, size - store_header_size);
}

/// Calls `see` with each that is there.
template <typename See>
void for_each_variable(std::span<std::byte const> image, See const& see)
{
    auto left = variables_in(image);
    auto const whole = left.size();
    while (left.size() >= sizeof(Header)) {
        Header header{};
        std::memcpy(&header, left.data(), sizeof header);
        auto const content = left.subspan(sizeof header);
        if (header.start != Header::mark || header.name_size > content.size() ||
            header.data_size > content.size() - header.name_size)
            return;
        bool const lives = header.state == there || header.state == there_still;
        if (lives)
            see(Variable{header.vendor, content.first(header.name_size),
                         content.subspan(header.name_size, header.data_size)});
        // The next one is aligned in the flash chip, as the store's header and the volume's are.
        auto const size = sizeof header + header.name_size + header.data_size;
        auto const at = (whole - left.size() + size + 3) & ~std::size_t{3};
        left = at < whole ? left.subspan(at - (whole - left.size())) : std::span<std::byte const>{};
    }
}

bool is_named(Variable const& variable, Guid const& vendor, std::u16string_view name)
{
    auto const bytes = std::as_bytes(std::span{name});
    return variable.vendor == vendor && variable.name.size() == bytes.size() + sizeof(char16_t) &&
           std::ranges::equal(variable.name.first(bytes.size()), bytes);
}

} // namespace

bool switches_on_secure_boot(std::span<std::byte const> image)
{
    bool has_key = false;
    bool is_off = false;
    for_each_variable(image, [&](Variable const& variable) {
        has_key = has_key || (is_named(variable, global, u"PK") && !variable.data.empty());
        if (is_named(variable, switched, u"SecureBootEnable"))
            is_off = variable.data.size() != 1 || variable.data.front() == std::byte{0};
    });
    return has_key && !is_off;
}

} // namespace vmm::firmware
