#include "vmm/boot/load_kernel.hpp"

#include "vmm/base/user_error.hpp"
#include "vmm/boot/bios_calls.hpp"
#include "vmm/boot/bios_data.hpp"
#include "vmm/boot/bzimage.hpp"
#include "vmm/boot/initial_registers.hpp"
#include "vmm/boot/kernel_format.hpp"
#include "vmm/boot/multiboot.hpp"
#include "vmm/boot/pvh.hpp"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <string_view>

namespace vmm {

namespace {

/// The first that recognises a file loads it. The order is QEMU's, so that a kernel with two ways in takes the same.
constexpr std::array formats{bzimage_format, multiboot_format, pvh_format};

/// Files that people take for kernels, by how they begin, and what to do about them.
struct Lookalike {
    std::string_view start;
    std::string_view what;
};
constexpr std::array lookalikes{
    Lookalike{{"\x1F\x8B", 2}, "is compressed: unpack it first, as gunzip does"},
    Lookalike{{"\xFD\x37\x7A\x58\x5A", 5}, "is compressed: unpack it first, as unxz does"},
    Lookalike{{"\x28\xB5\x2F\xFD", 4}, "is compressed: unpack it first, as unzstd does"},
    Lookalike{{"MZ", 2}, "is an EFI program, which Porthole does not start: give the same kernel in another form"},
};

[[noreturn]] void refuse_unknown(InputFile const& kernel, std::span<std::byte const> head)
{
    std::string_view const text{reinterpret_cast<char const*>(head.data()), head.size()};
    auto const known =
        std::ranges::find_if(lookalikes, [&](Lookalike const& file) { return text.starts_with(file.start); });
    if (known != lookalikes.end()) throw UserError{fmt::format("the {} {}", kernel.name(), known->what)};
    throw UserError{"the " + kernel.name() +
                    " is not a kernel that can be started: give a Linux bzImage, a Multiboot kernel, or an ELF file "
                    "with a PVH note"};
}

/// As high as there is room below `preferred_end`, or else below `last_end`.
MemoryRange load_file(LoadContext& context, InputFile const& file, std::string const& what, hv::Gpa preferred_end,
                      hv::Gpa last_end)
{
    auto place = context.claims.claim_highest(file.size(), preferred_end, what);
    if (!place) place = context.claims.claim_highest(file.size(), last_end, what);
    if (!place) {
        throw UserError{
            fmt::format("the {} of {} KiB does not fit beside the kernel into {} MiB of guest memory: give "
                        "it more memory",
                        file.name(), file.size() / layout::kib, context.layout.bytes() / layout::mib)};
    }
    file.load(0, *place, context.memory);
    return *place;
}

} // namespace

BootState load_kernel(BootRequest const& request, MemoryLayout const& layout, hv::GuestMemory const& memory)
{
    InputFile const kernel{request.kernel, "kernel"};
    std::optional<InputFile> initrd;
    if (request.initrd) initrd.emplace(*request.initrd, "initrd");

    std::array<std::byte, head_size> buffer{};
    auto const head = std::span{buffer}.first(std::min<std::uint64_t>(head_size, kernel.size()));
    kernel.read(0, head);

    auto const format = std::ranges::find_if(formats, [&](auto const& f) { return f.recognises(head); });
    if (format == formats.end()) refuse_unknown(kernel, head);

    std::deque<ModuleFile> modules;
    for (auto const& module : request.modules)
        modules.emplace_back(module);
    LoadContext context{request, kernel, initrd ? &*initrd : nullptr, modules,
                        layout,  memory, RamClaims{layout},           head};
    auto state = format->load(context);
    write_processor_tables(state, context.claims, memory);
    write_bios_data(context.claims, memory);
    write_bios_calls(context.claims, memory);
    return state;
}

std::optional<MemoryRange> load_initrd(LoadContext& context, hv::Gpa preferred_end, hv::Gpa last_end)
{
    if (!context.initrd) return std::nullopt;
    return load_file(context, *context.initrd, "the initrd", preferred_end, last_end);
}

std::vector<LoadedModule> load_modules(LoadContext& context)
{
    auto const below_4g = hv::Gpa{layout::mmio_hole.end()}; // both formats' kernels take 32 bits of an address
    std::vector<LoadedModule> loaded;
    if (auto const initrd = load_initrd(context, below_4g, below_4g))
        loaded.push_back({*initrd, context.request.initrd->filename().string(), {}});
    for (auto const& module : context.modules) {
        auto const place = load_file(context, module.file, "a module", below_4g, below_4g);
        loaded.push_back({place, module.request.path.filename().string(), module.request.text});
    }
    return loaded;
}

hv::Gpa write_text(LoadContext& context, std::string const& text)
{
    auto const place = context.claims.claim_boot_data(text.size() + 1);
    std::memcpy(host_address(context.memory, place), text.c_str(), place.size);
    return place.base;
}

hv::Gpa write_command_line(LoadContext& context, std::string const& text, std::uint64_t max_length)
{
    auto const limit = std::min(max_length, max_command_line);
    if (text.size() > limit) {
        throw UserError{fmt::format("the kernel command line of {} bytes is too long: this kernel takes at most {}",
                                    text.size(), limit)};
    }
    return write_text(context, text);
}

} // namespace vmm
