/// Kernel files made from scratch, valid until a test spoils them.
#pragma once

#include "vmm/boot/testing/guest.hpp"

#include <cstdint>

namespace vmm::testing {

// Offsets into the setup header of a bzImage (Linux Documentation/x86/boot.rst).
namespace bz {
inline constexpr std::size_t setup_sects = 0x1F1;
inline constexpr std::size_t syssize = 0x1F4;
inline constexpr std::size_t boot_flag = 0x1FE;
inline constexpr std::size_t header_length = 0x201;
inline constexpr std::size_t signature = 0x202;
inline constexpr std::size_t version = 0x206;
inline constexpr std::size_t loadflags = 0x211;
inline constexpr std::size_t initrd_addr_max = 0x22C;
inline constexpr std::size_t kernel_alignment = 0x230;
inline constexpr std::size_t relocatable = 0x234;
inline constexpr std::size_t xloadflags = 0x236;
inline constexpr std::size_t cmdline_size = 0x238;
inline constexpr std::size_t setup_data = 0x250;
inline constexpr std::size_t pref_address = 0x258;
inline constexpr std::size_t init_size = 0x260;

inline constexpr std::size_t payload = 0x400; ///< in the file, behind a boot sector and a setup sector
inline constexpr std::size_t payload_size = 8192;
inline constexpr std::uint64_t load_address = 0x100'0000;
} // namespace bz

/// Preferred address 16 MiB, init_size 1 MiB, payload pattern(payload_size).
[[nodiscard]] Bytes make_bzimage();

// A 64-bit ELF file: header, space for a Multiboot header, three program headers (two PT_LOAD, one PT_NOTE), the
// note, the segments' bytes.
namespace elf {
inline constexpr std::size_t machine = 18;
inline constexpr std::size_t phoff = 32;
inline constexpr std::size_t phnum = 56;
inline constexpr std::size_t program_header = 64; ///< the first of them
inline constexpr std::size_t program_header_size = 56;
inline constexpr std::size_t p_offset = 8, p_paddr = 24, p_filesz = 32, p_memsz = 40;
inline constexpr std::size_t note = 0x200;
inline constexpr std::size_t note_entry = note + 16;
inline constexpr std::size_t segments = 0x1000; ///< in the file
inline constexpr std::size_t segment_size = 0x1800;
inline constexpr std::uint64_t text_address = 0x20'0000;
inline constexpr std::uint64_t data_address = 0x30'0000;
inline constexpr std::uint64_t data_memory = 0x8000;
inline constexpr std::uint64_t entry = text_address + 0x40;
inline constexpr std::uint64_t virtual_offset = 0xC000'0000; ///< from physical to virtual addresses
} // namespace elf

[[nodiscard]] Bytes make_pvh_elf64();
[[nodiscard]] Bytes make_pvh_elf32();

/// Puts a Multiboot header of these flags at `offset`.
void put_multiboot_header(Bytes& file, std::size_t offset, std::uint32_t flags);

// A file that is nothing but its bytes, and a Multiboot header that says where they go.
namespace flat {
inline constexpr std::size_t header = 0x104; ///< in the file
inline constexpr std::size_t addresses = header + 12;
inline constexpr std::size_t header_address = addresses, load_address = addresses + 4, load_end = addresses + 8,
                             bss_end = addresses + 12, entry_address = addresses + 16;
inline constexpr std::size_t skipped = 0x40; ///< the file's first bytes, which are not loaded
inline constexpr std::size_t size = 0x3000;
inline constexpr std::uint32_t load = 0x40'0000;
inline constexpr std::uint32_t bss = 0x1'0000; ///< bytes behind what is loaded
inline constexpr std::uint32_t entry = load + 0x800;
} // namespace flat

[[nodiscard]] Bytes make_multiboot_flat();

} // namespace vmm::testing
