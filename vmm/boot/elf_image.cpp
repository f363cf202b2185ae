#include "vmm/boot/elf_image.hpp"

#include "vmm/base/user_error.hpp"

#include <array>
#include <cstring>
#include <elf.h>
#include <string>
#include <string_view>

namespace vmm {

namespace {

constexpr std::size_t max_program_headers = 128;
constexpr std::uint64_t max_notes_size = 64 * layout::kib;
constexpr std::uint32_t xen_phys32_entry = 18; ///< XEN_ELFNOTE_PHYS32_ENTRY (Xen public/elfnote.h)
constexpr std::string_view xen_note_name{"Xen\0", 4};

struct Elf32 {
    using Header = Elf32_Ehdr;
    using ProgramHeader = Elf32_Phdr;
};

struct Elf64 {
    using Header = Elf64_Ehdr;
    using ProgramHeader = Elf64_Phdr;
};

[[noreturn]] void refuse(InputFile const& file, std::string const& why)
{
    throw UserError{"the " + file.name() + " " + why};
}

[[noreturn]] void refuse_truncated(InputFile const& file)
{
    refuse(file, "is truncated: get a complete copy");
}

std::uint64_t aligned(std::uint64_t value, std::uint64_t alignment)
{
    return (value + alignment - 1) & ~(alignment - 1);
}

/// Looks for the PVH entry among the notes in `notes`.
std::optional<hv::Gpa> pvh_entry(std::span<std::byte const> notes, std::uint64_t alignment)
{
    while (notes.size() >= sizeof(Elf64_Nhdr)) {
        Elf64_Nhdr note{};
        std::memcpy(&note, notes.data(), sizeof note);
        auto const name_at = sizeof note;
        auto const description_at = aligned(name_at + note.n_namesz, alignment);
        auto const next_at = aligned(description_at + note.n_descsz, alignment);
        if (description_at > notes.size() || note.n_descsz > notes.size() - description_at) return std::nullopt;

        auto const is_xen = note.n_namesz == xen_note_name.size() &&
                            std::memcmp(notes.data() + name_at, xen_note_name.data(), xen_note_name.size()) == 0;
        if (is_xen && note.n_type == xen_phys32_entry && (note.n_descsz == 4 || note.n_descsz == 8)) {
            std::uint64_t entry = 0;
            std::memcpy(&entry, notes.data() + description_at, note.n_descsz);
            return hv::Gpa{entry};
        }
        if (next_at >= notes.size()) return std::nullopt;
        notes = notes.subspan(next_at);
    }
    return std::nullopt;
}

template <typename ProgramHeader>
std::optional<hv::Gpa> read_notes(InputFile const& file, ProgramHeader const& header)
{
    if (!file.contains(header.p_offset, header.p_filesz)) refuse_truncated(file);
    if (header.p_filesz > max_notes_size) return std::nullopt;
    std::vector<std::byte> notes(header.p_filesz);
    file.read(header.p_offset, notes);
    return pvh_entry(notes, header.p_align == 8 ? 8 : 4);
}

template <typename ProgramHeader>
ElfSegment checked_segment(InputFile const& file, ProgramHeader const& header)
{
    if (!file.contains(header.p_offset, header.p_filesz)) refuse_truncated(file);
    if (header.p_filesz > header.p_memsz)
        refuse(file, "has a segment that is larger than its memory: get another copy");
    if (header.p_paddr >= MemoryRange::max_end || header.p_memsz >= MemoryRange::max_end - header.p_paddr)
        refuse(file, "has a segment beyond all memory: use another kernel");
    return {header.p_offset, header.p_filesz, {hv::Gpa{header.p_paddr}, header.p_memsz}, header.p_vaddr};
}

template <typename Elf>
ElfImage read_as(InputFile const& file, std::span<std::byte const> head)
{
    typename Elf::Header header{};
    if (head.size() < sizeof header) refuse_truncated(file);
    std::memcpy(&header, head.data(), sizeof header);

    if (header.e_machine != EM_386 && header.e_machine != EM_X86_64)
        refuse(file, "is for another processor: use an x86 kernel");
    if (header.e_type != ET_EXEC && header.e_type != ET_DYN)
        refuse(file, "is an ELF file, but not an executable: give a vmlinux or another kernel");
    if (header.e_phentsize != sizeof(typename Elf::ProgramHeader) || header.e_phnum > max_program_headers)
        refuse(file, "has a malformed ELF header: get another copy");

    std::vector<typename Elf::ProgramHeader> program(header.e_phnum);
    file.read(header.e_phoff, std::as_writable_bytes(std::span{program}));

    ElfImage image{{}, header.e_entry, {}};
    for (auto const& entry : program) {
        if (entry.p_type == PT_NOTE && !image.pvh_entry) image.pvh_entry = read_notes(file, entry);
        if (entry.p_type == PT_LOAD && entry.p_memsz > 0) image.segments.push_back(checked_segment(file, entry));
    }
    return image;
}

} // namespace

bool is_elf(std::span<std::byte const> head)
{
    return head.size() >= SELFMAG && std::memcmp(head.data(), ELFMAG, SELFMAG) == 0;
}

ElfImage read_elf(InputFile const& file, std::span<std::byte const> head)
{
    if (head.size() < EI_NIDENT) refuse_truncated(file);
    std::array<unsigned char, EI_NIDENT> ident{};
    std::memcpy(ident.data(), head.data(), ident.size());

    if (ident[EI_DATA] != ELFDATA2LSB) refuse(file, "is for another processor: use an x86 kernel");
    if (ident[EI_CLASS] == ELFCLASS32) return read_as<Elf32>(file, head);
    if (ident[EI_CLASS] == ELFCLASS64) return read_as<Elf64>(file, head);
    refuse(file, "has a malformed ELF header: get another copy");
}

void load_segments(InputFile const& file, ElfImage const& image, RamClaims& claims, hv::GuestMemory const& memory)
{
    for (auto const& segment : image.segments)
        claims.claim(segment.memory, "a segment of the kernel");
    for (auto const& segment : image.segments)
        file.load(segment.file_offset, {segment.memory.base, segment.file_size}, memory);
}

} // namespace vmm
