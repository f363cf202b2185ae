#include "vmm/boot/testing/kernels.hpp"

#include <algorithm>
#include <cstddef>
#include <elf.h>

namespace vmm::testing {

namespace {

template <typename Header, typename ProgramHeader, typename Entry>
Bytes make_elf(unsigned char elf_class, std::uint16_t machine)
{
    using namespace elf;
    Bytes file(segments);

    Header header{};
    std::copy_n(ELFMAG, SELFMAG, header.e_ident);
    header.e_ident[EI_CLASS] = elf_class;
    header.e_ident[EI_DATA] = ELFDATA2LSB;
    header.e_ident[EI_VERSION] = EV_CURRENT;
    header.e_type = ET_EXEC;
    header.e_machine = machine;
    header.e_version = EV_CURRENT;
    header.e_entry = entry + virtual_offset;
    header.e_phoff = sizeof header;
    header.e_ehsize = sizeof header;
    header.e_phentsize = sizeof(ProgramHeader);
    header.e_phnum = 3;
    put(file, 0, header);

    ProgramHeader text{};
    text.p_type = PT_LOAD;
    text.p_offset = segments;
    text.p_paddr = text_address;
    text.p_vaddr = text_address + virtual_offset;
    text.p_filesz = text.p_memsz = segment_size;
    auto data = text;
    data.p_paddr = data_address;
    data.p_vaddr = data_address + virtual_offset;
    data.p_memsz = data_memory;
    ProgramHeader notes{};
    notes.p_type = PT_NOTE;
    notes.p_offset = note;
    notes.p_filesz = notes.p_memsz = 16 + sizeof(Entry);
    notes.p_align = 4;
    put(file, sizeof header, text);
    put(file, sizeof header + sizeof text, data);
    put(file, sizeof header + 2 * sizeof text, notes);

    put(file, note, Elf64_Nhdr{4, sizeof(Entry), 18});
    put(file, note + sizeof(Elf64_Nhdr), std::array{'X', 'e', 'n', '\0'});
    put(file, note_entry, Entry{entry});

    auto const bytes = pattern(segment_size);
    file.insert(file.end(), bytes.begin(), bytes.end());
    return file;
}

} // namespace

Bytes make_bzimage()
{
    using namespace bz;
    Bytes file(payload);
    put(file, setup_sects, std::uint8_t{1});
    put(file, syssize, std::uint32_t{payload_size / 16});
    put(file, boot_flag, std::uint16_t{0xAA55});
    put(file, header_length, std::uint8_t{0x26C - 0x202});
    put(file, signature, std::array{'H', 'd', 'r', 'S'});
    put(file, version, std::uint16_t{0x020F});
    put(file, loadflags, std::uint8_t{1});
    put(file, initrd_addr_max, std::uint32_t{0x7FFF'FFFF});
    put(file, kernel_alignment, std::uint32_t{0x20'0000});
    put(file, relocatable, std::uint8_t{1});
    put(file, xloadflags, std::uint16_t{3}); // 64-bit, may use memory above 4 GiB
    put(file, cmdline_size, std::uint32_t{2047});
    put(file, pref_address, std::uint64_t{load_address});
    put(file, init_size, std::uint32_t{0x10'0000});

    auto const bytes = pattern(payload_size);
    file.insert(file.end(), bytes.begin(), bytes.end());
    return file;
}

Bytes make_pvh_elf64()
{
    static_assert(sizeof(Elf64_Ehdr) == elf::program_header && sizeof(Elf64_Phdr) == elf::program_header_size);
    static_assert(offsetof(Elf64_Ehdr, e_phoff) == elf::phoff && offsetof(Elf64_Ehdr, e_phnum) == elf::phnum);
    return make_elf<Elf64_Ehdr, Elf64_Phdr, std::uint64_t>(ELFCLASS64, EM_X86_64);
}

Bytes make_pvh_elf32()
{
    return make_elf<Elf32_Ehdr, Elf32_Phdr, std::uint32_t>(ELFCLASS32, EM_386);
}

void put_multiboot_header(Bytes& file, std::size_t offset, std::uint32_t flags)
{
    constexpr std::uint32_t magic = 0x1BAD'B002;
    put(file, offset, std::array{magic, flags, 0 - (magic + flags)});
}

Bytes make_multiboot_flat()
{
    using namespace flat;
    auto file = pattern(size);
    put_multiboot_header(file, header, 0x1'0000);
    constexpr auto loaded = static_cast<std::uint32_t>(size - skipped);
    put(file, header_address, std::uint32_t{load + header - skipped});
    put(file, load_address, load);
    put(file, load_end, load + loaded);
    put(file, bss_end, load + loaded + bss);
    put(file, entry_address, entry);
    return file;
}

} // namespace vmm::testing
