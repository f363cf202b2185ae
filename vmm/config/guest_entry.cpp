#include "vmm/config/guest_entry.hpp"

#include "vmm/base/user_error.hpp"
#include "vmm/options/cpu_option.hpp"
#include "vmm/options/display_option.hpp"
#include "vmm/options/firmware_option.hpp"
#include "vmm/options/net_option.hpp"
#include "vmm/options/option_values.hpp"
#include "vmm/options/smbios_option.hpp"

#include <algorithm>
#include <array>
#include <utility>

namespace vmm {

namespace {

constexpr std::string_view root_name = "root";

bool is_name(std::string_view text)
{
    constexpr std::size_t longest = 32;
    auto const allowed = [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_' ||
               c == '.';
    };
    return text.size() <= longest && std::ranges::all_of(text, allowed);
}

std::string path_of(ConfigNode const& value, std::string_view example, ConfigContext const& context)
{
    return (context.folder / value.text(example)).string();
}

void read_name(ConfigNode const& value, GuestEntry& entry, ConfigContext const&)
{
    entry.options.name = value.text("name = \"server\"");
    if (entry.options.name == root_name) value.refuse("'root' is Porthole itself: choose another name");
    if (!is_name(entry.options.name))
        value.refuse("'" + entry.options.name + "' is no name: use up to 32 letters, digits, '-', '_' and '.'");
}

void read_kernel(ConfigNode const& value, GuestEntry& entry, ConfigContext const& context)
{
    entry.options.kernel = path_of(value, "kernel = \"vmlinuz\"", context);
}

void read_firmware(ConfigNode const& value, GuestEntry& entry, ConfigContext const& context)
{
    auto const text = value.text("firmware = \"auto\"");
    auto const path = text == "auto" ? text : (context.folder / text).string();
    entry.options.firmware = value.placed([&] { return parse_firmware(value.key(), path); });
}

void read_nvram(ConfigNode const& value, GuestEntry& entry, ConfigContext const& context)
{
    entry.options.nvram = path_of(value, "nvram = \"guest.nvram\"", context);
}

void read_tpm(ConfigNode const& value, GuestEntry& entry, ConfigContext const& context)
{
    entry.options.tpm = path_of(value, "tpm = \"guest.tpm\"", context);
}

void read_boot(ConfigNode const& value, GuestEntry& entry, ConfigContext const&)
{
    constexpr std::string_view example = "boot = \"disk\" or boot = [\"dvd\", \"disk\"]";
    std::string text;
    for (auto const& element : value.is_array() ? value.elements(example) : std::vector{value})
        text.append(text.empty() ? "" : ",").append(element.text(example));
    entry.options.boot = value.placed([&] { return parse_boot(value.key(), text); });
}

void read_secure_boot(ConfigNode const& value, GuestEntry& entry, ConfigContext const&)
{
    entry.options.secure_boot = value.truth("secure-boot = true");
}

void read_initrd(ConfigNode const& value, GuestEntry& entry, ConfigContext const& context)
{
    entry.options.initrd = path_of(value, "initrd = \"initrd.img\"", context);
}

void read_modules(ConfigNode const& value, GuestEntry& entry, ConfigContext const& context)
{
    constexpr std::string_view example = "module = \"initrd.img\" or module = [\"program,its arguments\", \"data\"]";
    auto const modules = value.is_array() ? value.elements(example) : std::vector{value};
    for (auto const& element : modules) {
        auto const text = element.text(example);
        element.placed([&] {
            auto module = parse_module(value.key(), text);
            module.path = (context.folder / module.path).string();
            add_module(value.key(), entry.options.modules, std::move(module));
        });
    }
}

void read_cmdline(ConfigNode const& value, GuestEntry& entry, ConfigContext const&)
{
    entry.options.cmdline = value.text_or_nothing("cmdline = \"console=ttyS0\"");
}

void read_memory(ConfigNode const& value, GuestEntry& entry, ConfigContext const&)
{
    auto const text = value.text("memory = \"512M\"");
    value.placed([&] { set_memory(value.key(), text, entry.options); });
}

void read_pool(ConfigNode const& value, GuestEntry& entry, ConfigContext const&)
{
    auto const text = value.text("pool = \"64M\"");
    entry.options.pool = value.placed([&] { return parse_pool(value.key(), text); });
}

void read_cpus(ConfigNode const& value, GuestEntry& entry, ConfigContext const&)
{
    constexpr std::string_view example = "cpus = 2 or cpus = \"8,sockets=2,threads=2\"";
    auto const text = value.is_text() ? value.text(example) : std::to_string(value.number(example));
    set_cpus(entry.options, value.placed([&] { return parse_cpus(value.key(), text); }));
}

void read_console(ConfigNode const& value, GuestEntry& entry, ConfigContext const& context)
{
    auto const text = value.text("console = \"lines\"");
    entry.options.serial = value.placed([&] { return parse_serial(value.key(), text); });
    auto& path = entry.options.serial.path;
    if (!path.empty()) path = (context.folder / path).string();
}

void read_disks(ConfigNode const& value, GuestEntry& entry, ConfigContext const& context)
{
    constexpr std::string_view example = "disk = \"root.img\" or disk = [\"root.img\", \"data.img,ro\"]";
    auto const disks = value.is_array() ? value.elements(example) : std::vector{value};
    for (auto const& element : disks) {
        auto const text = element.text(example);
        element.placed([&] {
            auto disk = parse_disk(value.key(), text);
            if (!disk.is_server()) disk.image = (context.folder / disk.image).string();
            if (!disk.backing.empty()) disk.backing = (context.folder / disk.backing).string();
            add_disk(value.key(), entry.options.disks, std::move(disk));
        });
    }
}

void read_on_reboot(ConfigNode const& value, GuestEntry& entry, ConfigContext const&)
{
    auto const text = value.text("on-reboot = \"exit\"");
    entry.options.on_reboot = value.placed([&] { return parse_on_reboot(value.key(), text); });
}

void read_on_triple_fault(ConfigNode const& value, GuestEntry& entry, ConfigContext const&)
{
    auto const text = value.text("on-triple-fault = \"reset\"");
    entry.options.on_triple_fault = value.placed([&] { return parse_on_triple_fault(value.key(), text); });
}

void read_on_crash(ConfigNode const& value, GuestEntry& entry, ConfigContext const&)
{
    auto const text = value.text("on-crash = \"continue\"");
    entry.options.on_crash = value.placed([&] { return parse_on_crash(value.key(), text); });
}

void read_rtc(ConfigNode const& value, GuestEntry& entry, ConfigContext const&)
{
    auto const text = value.text("rtc = \"utc\"");
    entry.options.rtc = value.placed([&] { return parse_rtc(value.key(), text); });
}

void read_smbios(ConfigNode const& value, GuestEntry& entry, ConfigContext const&)
{
    constexpr std::string_view example = "smbios = { vendor = \"Example\", serial = \"1234\" }";
    for (auto const& member : value.members(example)) {
        for (auto const& node : member.is_array() ? member.elements(example) : std::vector{member}) {
            auto const text = node.text_or_nothing(example);
            node.placed([&] { set_smbios(value.key(), member.key(), text, entry.options.smbios); });
        }
    }
}

void read_hyperv(ConfigNode const& value, GuestEntry& entry, ConfigContext const&)
{
    auto const text = value.text("hyperv = \"auto\"");
    entry.options.hyperv = value.placed([&] { return parse_hyperv(value.key(), text); });
}

void read_vsock(ConfigNode const& value, GuestEntry& entry, ConfigContext const& context)
{
    auto const path = path_of(value, "vsock = \"guest.vsock\"", context);
    entry.options.vsock = value.placed([&] { return parse_vsock(value.key(), path); });
}

void read_privileges(ConfigNode const& value, GuestEntry& entry, ConfigContext const& context)
{
    constexpr std::string_view example = "privileges = [\"create-port\"]";
    for (auto const& element : value.elements(example)) {
        auto const text = element.text(example);
        auto const changes =
            element.placed([&] { return parse_changes(value.key(), text, context.known.privileges); });
        entry.options.privileges.insert(entry.options.privileges.end(), changes.begin(), changes.end());
    }
}

void read_features(ConfigNode const& value, GuestEntry& entry, ConfigContext const& context)
{
    constexpr std::string_view example = "hv-features = [\"-stimer-direct\"]";
    for (auto const& element : value.elements(example)) {
        auto const text = element.text(example);
        auto const changes =
            element.placed([&] { return parse_changes(value.key(), text, context.known.hv_features); });
        entry.options.hv_features.insert(entry.options.hv_features.end(), changes.begin(), changes.end());
    }
}

void read_net(ConfigNode const& value, GuestEntry& entry, ConfigContext const&)
{
    constexpr std::string_view example = "net = \"user\" or net = [\"tap=vm0\", \"user\"]";
    auto const cards = value.is_array() ? value.elements(example) : std::vector{value};
    for (auto const& card : cards) {
        auto const text = card.text(example);
        card.placed([&] {
            add_net(entry.options, value.key(), text);
            return 0;
        });
    }
}

void read_display(ConfigNode const& value, GuestEntry& entry, ConfigContext const& context)
{
    auto const text = value.text("display = \"vnc=127.0.0.1:5900\"");
    auto display = value.placed([&] { return parse_display(value.key(), text); });
    for (auto* const path : {&display.path, &display.password_file})
        if (!path->empty()) *path = (context.folder / *path).string();
    entry.options.display = std::move(display);
}

void read_test_devices(ConfigNode const& value, GuestEntry& entry, ConfigContext const&)
{
    entry.options.test_devices = value.truth("test-devices = true");
}

void read_nested(ConfigNode const& value, GuestEntry& entry, ConfigContext const&)
{
    entry.options.nested = value.truth("nested = true");
}

void read_children(ConfigNode const& value, GuestEntry& entry, ConfigContext const&)
{
    constexpr std::string_view example = "children = { partitions = 8, vps = 16 }";
    std::string text;
    for (auto const& member : value.members(example)) {
        auto const number = std::to_string(member.number(example));
        text.append(text.empty() ? "" : ",").append(member.key()).append("=").append(number);
    }
    entry.options.children = value.placed([&] { return parse_children(value.key(), text); });
}

void read_parent(ConfigNode const& value, GuestEntry& entry, ConfigContext const&)
{
    auto const name = value.text("parent = \"root\"");
    if (name != root_name) entry.options.parent = name;
}

void read_after(ConfigNode const& value, GuestEntry& entry, ConfigContext const&)
{
    constexpr std::string_view example = "after = \"server\" or after = [\"one\", \"two\"]";
    auto const names = value.is_array() ? value.elements(example) : std::vector{value};
    for (auto const& name : names) {
        entry.options.after.push_back(name.text(example));
        entry.after.push_back(name.where());
    }
}

void read_ready(ConfigNode const& value, GuestEntry& entry, ConfigContext const&)
{
    auto const text = value.text("ready = \"synic\" or ready = \"serial:TEXT\"");
    entry.options.ready = value.placed([&] { return parse_ready(value.key(), text); });
}

struct Key {
    std::string_view name;
    void (*read)(ConfigNode const&, GuestEntry&, ConfigContext const&);
};

constexpr std::array keys{
    Key{"name", read_name},
    Key{"kernel", read_kernel},
    Key{"firmware", read_firmware},
    Key{"nvram", read_nvram},
    Key{"tpm", read_tpm},
    Key{"boot", read_boot},
    Key{"secure-boot", read_secure_boot},
    Key{"initrd", read_initrd},
    Key{"module", read_modules},
    Key{"cmdline", read_cmdline},
    Key{"memory", read_memory},
    Key{"cpus", read_cpus},
    Key{"console", read_console},
    Key{"disk", read_disks},
    Key{"on-reboot", read_on_reboot},
    Key{"on-triple-fault", read_on_triple_fault},
    Key{"on-crash", read_on_crash},
    Key{"rtc", read_rtc},
    Key{"smbios", read_smbios},
    Key{"vsock", read_vsock},
    Key{"privileges", read_privileges},
    Key{"hv-features", read_features},
    Key{"hyperv", read_hyperv},
    Key{"nested", read_nested},
    Key{"net", read_net},
    Key{"display", read_display},
    Key{"test-devices", read_test_devices},
    Key{"pool", read_pool},
    Key{"children", read_children},
    Key{"parent", read_parent},
    Key{"after", read_after},
    Key{"ready", read_ready},
};

std::string no_such_key(std::string_view name)
{
    auto text = std::string{"a guest has no key '"}.append(name).append("': use ");
    for (auto const& key : keys)
        text.append(&key == keys.data() ? "" : ", ").append(key.name);
    return text;
}

/// A table gives its keys in alphabetical order; users want to hear of the first mistake first.
std::vector<std::pair<toml::key const*, toml::node const*>> in_file_order(toml::table const& table)
{
    std::vector<std::pair<toml::key const*, toml::node const*>> pairs;
    for (auto const& [key, value] : table)
        pairs.emplace_back(&key, &value);
    std::ranges::sort(pairs, {}, [](auto const& pair) {
        auto const where = pair.first->source().begin;
        return std::pair{where.line, where.column};
    });
    return pairs;
}

void require(GuestEntry const& entry, std::string_view key, std::string_view example, ConfigContext const& context)
{
    if (entry.values.contains(key)) return;
    auto const name = entry.options.name.empty() ? "this guest" : "guest '" + entry.options.name + "'";
    refuse_at(context.path, entry.where,
              name + " has no " + std::string{key} + ": add " + std::string{example} + " to its keys");
}

} // namespace

GuestEntry read_guest(toml::table const& table, ConfigContext const& context)
{
    GuestEntry entry;
    entry.where = table.source().begin;
    for (auto const& [name, value] : in_file_order(table)) {
        auto const key = std::ranges::find(keys, name->str(), &Key::name);
        if (key == keys.end()) refuse_at(context.path, name->source().begin, no_such_key(name->str()));
        ConfigNode const node{context.path, key->name, *value};
        key->read(node, entry, context);
        entry.values.emplace(key->name, node.where());
    }
    require(entry, "name", "e.g. name = \"server\"", context);
    choose_start(entry.options);
    if (!entry.options.starts_by_firmware())
        require(entry, "kernel", "e.g. kernel = \"vmlinuz\", or firmware = \"auto\",", context);
    try {
        check_start(entry.options);
        check_nodes(entry.options);
        settle_boot_order(entry.options);
    } catch (UserError const& error) {
        refuse_at(context.path, entry.where, error.what());
    }
    return entry;
}

} // namespace vmm
