#include "vmm/firmware/firmware.hpp"

#include "vmm/base/user_error.hpp"
#include "vmm/boot/input_file.hpp"
#include "vmm/firmware/secure_boot.hpp"
#include "vmm/firmware/volume.hpp"

#include <cstdint>
#include <filesystem>
#include <string>
#include <utility>
#include <vector>

namespace vmm::firmware {

namespace {

/// From where KVM's own pages end to 4 GiB.
constexpr std::uint64_t most = layout::mmio_hole.end() - layout::kvm_tss.end();

std::vector<std::byte> read_file(std::string const& path, char const* what)
{
    if (!std::filesystem::exists(path) && path.starts_with("/usr/share/OVMF/"))
        throw UserError{std::string{"the "} + what + " '" + path +
                        "' is not there: install Debian's package ovmf, or name another file by --firmware"};
    InputFile const file{path, what};
    if (file.size() > most || file.size() % hv::page_size != 0)
        throw UserError{"the " + file.name() + " is none: it has " + std::to_string(file.size()) +
                        " bytes, and a firmware has a multiple of 4096, at most " + std::to_string(most)};
    std::vector<std::byte> bytes(file.size());
    file.read(0, bytes);
    return bytes;
}

[[noreturn]] void refuse_as_firmware(std::string const& path)
{
    throw UserError{"the firmware '" + path +
                    "' is none: it does not begin with a UEFI firmware volume; use e.g. OVMF_CODE_4M.fd"};
}

void check_template(std::string const& path, std::span<std::byte const> image)
{
    auto const volume = read_volume(image);
    if (!volume || !volume->holds_variables || volume->size != image.size() ||
        image.size() % devices::firmware::flash_block != 0 ||
        volume->header_size + store_header_size > image.size() ||
        !is_healthy_store(image.subspan(volume->header_size)))
        throw UserError{"the template of the firmware's variables, '" + path + "', is none"};
}

/// The files of a firmware, or its one file, in two.
struct Parts {
    std::vector<std::byte> code;
    std::vector<std::byte> variables;
};

Parts split(std::string const& path, std::vector<std::byte> whole)
{
    auto const first = read_volume(whole);
    if (!first) refuse_as_firmware(path);
    if (!first->holds_variables)
        throw UserError{"the firmware '" + path +
                        "' has no place for variables: name one like OVMF_CODE_4M.fd, beside OVMF_VARS_4M.fd"};
    auto const end = whole.begin() + static_cast<std::ptrdiff_t>(first->size);
    return {{end, whole.end()}, {whole.begin(), end}};
}

Parts read_parts(FirmwareOptions const& options)
{
    auto code = read_file(options.code, "firmware");
    auto parts = options.variables.empty()
                     ? split(options.code, std::move(code))
                     : Parts{std::move(code), read_file(options.variables, "template of the firmware's variables")};
    auto const volume = read_volume(parts.code);
    if (!volume || volume->holds_variables) refuse_as_firmware(options.code);
    check_template(options.variables.empty() ? options.code : options.variables, parts.variables);
    if (parts.code.size() + parts.variables.size() > most)
        throw UserError{"the firmware '" + options.code + "' is too large: it has room for " + std::to_string(most) +
                        " bytes with its variables"};
    return parts;
}

/// A guest that is to have Secure Boot does not start without.
std::unique_ptr<Variables> open_variables(GuestOptions const& options, std::span<std::byte const> original)
{
    bool const fresh = options.nvram.empty() || !std::filesystem::exists(options.nvram);
    if (options.secure_boot && fresh && !switches_on_secure_boot(original)) {
        auto const& from = options.firmware.variables.empty() ? options.firmware.code : options.firmware.variables;
        throw UserError{"there are no keys for Secure Boot in the firmware's variables, '" + from +
                        "': use --firmware auto, or name a file with keys by --nvram"};
    }
    if (options.nvram.empty()) return std::make_unique<Variables>(original);
    auto variables = std::make_unique<Variables>(original, options.nvram);
    if (options.secure_boot && !switches_on_secure_boot(variables->bytes()))
        throw UserError{"the NVRAM file '" + options.nvram +
                        "' has no keys for Secure Boot, or has it switched off: name another file, which is made "
                        "when it is missing, or leave Secure Boot out"};
    return variables;
}

} // namespace

Firmware::Firmware(GuestOptions const& options)
{
    auto const parts = read_parts(options.firmware);
    code_ = std::make_unique<PageBuffer>(parts.code);
    variables_ = open_variables(options, parts.variables);
}

MemoryRange Firmware::code_range() const
{
    auto const size = code_->bytes().size();
    return {hv::Gpa{layout::mmio_hole.end() - size}, size};
}

MemoryRange Firmware::variables_range() const
{
    auto const size = variables_->bytes().size();
    return {hv::Gpa{code_range().base.value - size}, size};
}

} // namespace vmm::firmware
