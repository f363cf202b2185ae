/// What a kernel format implements. To add one: a file pair beside bzimage.*, and a line in load_kernel.cpp.
#pragma once

#include "vmm/boot/boot_memory.hpp"
#include "vmm/boot/input_file.hpp"
#include "vmm/boot/load_kernel.hpp"

#include <cstddef>
#include <deque>
#include <span>
#include <string>
#include <vector>

namespace vmm {

/// A file to be handed over beside the initrd.
struct ModuleFile {
    explicit ModuleFile(BootModule const& module) : request{module}, file{module.path, "module"} {}

    BootModule const& request;
    InputFile file;
};

/// Everything that a format needs to load a kernel.
struct LoadContext {
    BootRequest const& request;
    InputFile const& kernel;
    InputFile const* initrd;               ///< or nullptr
    std::deque<ModuleFile> const& modules; ///< with the initrd at most max_modules
    MemoryLayout const& layout;
    hv::GuestMemory const& memory;
    RamClaims claims;

    /// How the file begins: head_size bytes, fewer in a short file.
    std::span<std::byte const> head;
};

inline constexpr std::size_t head_size = 8192; ///< a Multiboot header may lie anywhere in there

struct KernelFormat {
    bool (*recognises)(std::span<std::byte const> head);
    BootState (*load)(LoadContext& context); ///< throws UserError
};

/// Loads the initrd, if there is one, as high as there is room below `preferred_end`, or else below `last_end`.
/// Throws UserError when it fits nowhere. Called when the kernel's place is claimed.
[[nodiscard]] std::optional<MemoryRange> load_initrd(LoadContext& context, hv::Gpa preferred_end, hv::Gpa last_end);

/// A file in guest RAM, and what the kernel is told of it.
struct LoadedModule {
    MemoryRange memory;
    std::string name; ///< of the file, without its folder
    std::string text;
};

/// Loads the initrd and the modules, in this order, each page-aligned and as high below 4 GiB as there is room.
/// Throws UserError when one fits nowhere. Called when the kernel's place is claimed.
[[nodiscard]] std::vector<LoadedModule> load_modules(LoadContext& context);

/// Puts `text` and its terminating zero where there is room, below 4 GiB, and returns where.
[[nodiscard]] hv::Gpa write_text(LoadContext& context, std::string const& text);

/// Puts `text`, the command line, and its terminating zero where there is room, below 4 GiB, and returns where.
/// `max_length` is the longest that this kernel takes, in bytes; a longer one is a UserError, as is one of more than
/// max_command_line. Called when the kernel's place is claimed.
[[nodiscard]] hv::Gpa write_command_line(LoadContext& context, std::string const& text, std::uint64_t max_length);

inline constexpr std::uint64_t max_command_line = 0xFFFF; ///< of any kernel

} // namespace vmm
