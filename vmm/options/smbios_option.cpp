#include "vmm/options/smbios_option.hpp"

#include "vmm/base/user_error.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <string>
#include <utility>

namespace vmm {

namespace {

struct Text {
    std::string_view name;
    std::string SmbiosOptions::*member;
};

constexpr std::array texts{Text{"vendor", &SmbiosOptions::vendor},   Text{"product", &SmbiosOptions::product},
                           Text{"version", &SmbiosOptions::version}, Text{"serial", &SmbiosOptions::serial},
                           Text{"sku", &SmbiosOptions::sku},         Text{"family", &SmbiosOptions::family},
                           Text{"asset", &SmbiosOptions::asset}};

[[noreturn]] void refuse(std::string_view option, std::string_view text, std::string const& complaint)
{
    std::string message;
    message.append(option).append(": '").append(text).append("' ").append(complaint);
    std::ranges::replace_if(
        message, [](char c) { return static_cast<unsigned char>(c) < ' '; }, ' ');
    throw UserError{message};
}

/// Up to a single comma, two of which stand for one; takes it and the comma from `text`.
std::string take_item(std::string_view& text)
{
    std::string item;
    while (!text.empty()) {
        auto const c = text.front();
        text.remove_prefix(1);
        if (c == ',') {
            if (!text.starts_with(',')) break;
            text.remove_prefix(1);
        }
        item.push_back(c);
    }
    return item;
}

void check_text(std::string_view option, std::string_view name, std::string_view text)
{
    auto const item = std::string{name} + "=" + std::string{text.substr(0, 64)};
    if (text.empty()) refuse(option, item, "is empty: give it a text, or leave it out");
    if (text.size() > SmbiosOptions::longest_text)
        refuse(option, item + "...",
               "is too long: use at most " + std::to_string(SmbiosOptions::longest_text) + " characters");
    if (std::ranges::any_of(text, [](char c) { return c < ' ' || c > '~'; }))
        refuse(option, item, "has a character that SMBIOS has not: use printable ASCII");
}

/// "12345678-9abc-def0-1234-56789abcdef0".
hv::vmbus::Guid parse_uuid(std::string_view option, std::string_view text)
{
    constexpr std::size_t characters = 36;
    auto const complain = [&] {
        refuse(option, "uuid=" + std::string{text},
               "is no UUID: write e.g. uuid=2b6a0c1e-9d0f-4c55-8f0a-1c4f5f7f3d11");
    };
    hv::vmbus::Guid uuid;
    if (text.size() != characters) complain();
    std::size_t byte = 0;
    for (std::size_t at = 0; at < characters; at += 2) {
        if (at == 8 || at == 13 || at == 18 || at == 23) {
            if (text[at] != '-') complain();
            ++at;
        }
        auto const* const digits = text.data() + at;
        auto& value = uuid.bytes[hv::vmbus::detail::guid_order[byte++]];
        if (std::from_chars(digits, digits + 2, value, 16).ptr != digits + 2) complain();
    }
    return uuid;
}

} // namespace

void set_smbios(std::string_view option, std::string_view name, std::string_view text, SmbiosOptions& smbios)
{
    if (name == "uuid") {
        smbios.uuid = parse_uuid(option, text);
        return;
    }
    if (name == "oem") {
        check_text(option, name, text);
        if (smbios.oem.size() == SmbiosOptions::most_oem_strings)
            refuse(option, text,
                   "is one OEM string too many: a guest has " + std::to_string(SmbiosOptions::most_oem_strings) +
                       " at most");
        smbios.oem.emplace_back(text);
        return;
    }
    auto const* const known = std::ranges::find(texts, name, &Text::name);
    if (known == texts.end())
        refuse(option, name, "is not known: use vendor, product, version, serial, uuid, sku, family, asset or oem");
    check_text(option, name, text);
    smbios.*known->member = text;
}

void parse_smbios(std::string_view option, std::string_view text, SmbiosOptions& smbios)
{
    constexpr char const* example =
        "says nothing: write e.g. vendor=Example,serial=1234, with ',,' for a comma in a text";
    if (text.empty()) refuse(option, text, example);
    while (!text.empty()) {
        auto const item = take_item(text);
        auto const equals = item.find('=');
        if (equals == std::string::npos) refuse(option, item, example);
        set_smbios(option, std::string_view{item}.substr(0, equals), std::string_view{item}.substr(equals + 1),
                   smbios);
    }
}

} // namespace vmm
