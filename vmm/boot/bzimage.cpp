#include "vmm/boot/bzimage.hpp"

#include "vmm/base/user_error.hpp"

#include <algorithm>
#include <asm/bootparam.h>
#include <bit>
#include <cstring>

namespace vmm {

namespace {

static_assert(sizeof(boot_params) == hv::page_size);
static_assert(offsetof(boot_params, acpi_rsdp_addr) == 0x70 && offsetof(boot_params, e820_table) == 0x2D0);

constexpr std::size_t header_offset = 0x1F1;
constexpr std::size_t signature_offset = 0x202;  ///< the header's length byte, at 0x201, counts from here
constexpr std::uint32_t signature = 0x5372'6448; // "HdrS"
constexpr std::uint16_t boot_flag = 0xAA55;
constexpr std::uint16_t oldest_version = 0x020A;     ///< the first with pref_address and init_size: Linux 2.6.31
constexpr std::uint16_t xloadflags_version = 0x020C; ///< Linux 3.8
constexpr std::uint64_t entry_64_offset = 0x200;
constexpr std::uint64_t sector = 512;
constexpr std::uint64_t paragraph = 16; ///< the unit of `syssize`
constexpr std::uint8_t loader_without_number = 0xFF;

static_assert(header_offset + offsetof(setup_header, header) == signature_offset);
constexpr std::size_t header_end_needed = header_offset + offsetof(setup_header, handover_offset); // 2.10's end
constexpr std::size_t header_end_limit = offsetof(boot_params, edd_mbr_sig_buffer);

template <typename T>
T field(std::span<std::byte const> head, std::size_t offset)
{
    T value{};
    std::memcpy(&value, head.data() + offset, sizeof value);
    return value;
}

[[noreturn]] void refuse(LoadContext const& context, std::string const& why)
{
    throw UserError{"the " + context.kernel.name() + " " + why};
}

/// The setup header, every field of it that Porthole uses checked.
setup_header checked_header(LoadContext const& context)
{
    auto const head = context.head;
    auto const end = signature_offset + field<std::uint8_t>(head, signature_offset - 1);
    if (field<std::uint16_t>(head, header_offset + offsetof(setup_header, version)) < oldest_version)
        refuse(context,
               "speaks a boot protocol older than 2.10, which relies on a BIOS: use Linux 2.6.31 or newer, or "
               "another kernel of that protocol");
    if (end > head.size()) refuse(context, "is truncated: get a complete copy");
    if (end < header_end_needed || end > header_end_limit)
        refuse(context, "has a setup header of impossible length: get another copy");

    setup_header header{};
    std::memcpy(&header, head.data() + header_offset, std::min(end - header_offset, sizeof header));
    if (header.version < xloadflags_version) header.xloadflags = 0; // not a field yet
    if (!(header.loadflags & LOADED_HIGH)) refuse(context, "is a zImage: use a bzImage");
    if (!std::has_single_bit(+header.kernel_alignment))
        refuse(context, "asks for an alignment that is no power of two: get another copy");
    return header;
}

/// The part of the file that runs in protected or long mode, and where it goes.
struct Payload {
    std::uint64_t file_offset;
    std::uint64_t size;
    MemoryRange memory; ///< with what the kernel needs behind it before it reads the memory map
};

/// A relocatable kernel that is loaded below its preferred address moves itself up there, so that is where it goes.
Payload payload(LoadContext const& context, setup_header const& header)
{
    constexpr unsigned default_setup_sectors = 4;
    auto const setup_sectors = header.setup_sects ? header.setup_sects : default_setup_sectors;
    auto const offset = (setup_sectors + 1) * sector;
    // `syssize` counts paragraphs, a last one that the file does not fill among them.
    auto const paragraphs = std::uint64_t{header.syssize};
    auto const least = std::max(paragraphs ? (paragraphs - 1) * paragraph + 1 : 0, entry_64_offset + 1);
    if (!context.kernel.contains(offset, least)) refuse(context, "is truncated: get a complete copy");

    auto const size = context.kernel.size() - offset;
    auto const alignment = std::uint64_t{header.kernel_alignment};
    auto const address = std::max(std::uint64_t{header.pref_address}, layout::extended_ram.value);
    auto const room = std::max(size, std::uint64_t{header.init_size});
    if (address > layout::mmio_hole.base.value || room > MemoryRange::max_end / 2)
        refuse(context, "wants to lie where no guest has RAM: use another kernel");
    return {offset, size, {hv::Gpa{(address + alignment - 1) & ~(alignment - 1)}, room}};
}

/// The end of where an initrd may lie: first choice, and the last resort.
struct InitrdLimits {
    hv::Gpa preferred;
    hv::Gpa last;
};

InitrdLimits initrd_limits(setup_header const& header)
{
    auto const below_4g = hv::Gpa{std::uint64_t{header.initrd_addr_max} + 1};
    auto const anywhere = header.xloadflags & XLF_CAN_BE_LOADED_ABOVE_4G;
    return {below_4g, anywhere ? hv::Gpa{MemoryRange::max_end} : below_4g};
}

void hand_over_initrd(boot_params& params, MemoryRange const& initrd)
{
    params.hdr.ramdisk_image = static_cast<std::uint32_t>(initrd.base.value);
    params.hdr.ramdisk_size = static_cast<std::uint32_t>(initrd.size);
    params.ext_ramdisk_image = static_cast<std::uint32_t>(initrd.base.value >> 32);
    params.ext_ramdisk_size = static_cast<std::uint32_t>(initrd.size >> 32);
}

void hand_over_memory_map(boot_params& params, MemoryLayout const& layout)
{
    for (auto const& [range, kind] : layout.map())
        params.e820_table[params.e820_entries++] = {range.base.value, range.size, static_cast<std::uint32_t>(kind)};
}

} // namespace

bool is_bzimage(std::span<std::byte const> head)
{
    return head.size() >= header_offset + offsetof(setup_header, realmode_swtch) &&
           field<std::uint16_t>(head, header_offset + offsetof(setup_header, boot_flag)) == boot_flag &&
           field<std::uint32_t>(head, signature_offset) == signature;
}

BootState load_bzimage(LoadContext& context)
{
    if (!context.modules.empty())
        refuse(context, "is a bzImage, which takes an initrd and no modules: give it no --module");
    auto const header = checked_header(context);
    auto const kernel = payload(context, header);
    context.claims.claim(kernel.memory, "the kernel");
    context.kernel.load(kernel.file_offset, {kernel.memory.base, kernel.size}, context.memory);

    boot_params params{};
    params.hdr = header;
    params.hdr.type_of_loader = loader_without_number;
    params.hdr.code32_start = static_cast<std::uint32_t>(kernel.memory.base.value);
    params.hdr.setup_data = 0;
    params.acpi_rsdp_addr = context.request.rsdp.value;

    auto const command_line = write_command_line(context, context.request.cmdline, header.cmdline_size);
    params.hdr.cmd_line_ptr = static_cast<std::uint32_t>(command_line.value);
    auto const handover = context.claims.claim_boot_data(sizeof params);

    auto const [preferred, last] = initrd_limits(header);
    if (auto const initrd = load_initrd(context, preferred, last)) hand_over_initrd(params, *initrd);

    hand_over_memory_map(params, context.layout);
    std::memcpy(host_address(context.memory, handover), &params, sizeof params);

    if (header.xloadflags & XLF_KERNEL_64) {
        return {.mode = BootState::Mode::long_mode,
                .entry = hv::Gpa{kernel.memory.base.value + entry_64_offset},
                .rsi = handover.base.value};
    }
    return {.mode = BootState::Mode::protected_mode, .entry = kernel.memory.base, .rsi = handover.base.value};
}

} // namespace vmm
