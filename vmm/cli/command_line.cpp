#include "vmm/cli/command_line.hpp"

#include "vmm/base/user_error.hpp"
#include "vmm/config/config_file.hpp"
#include "vmm/options/cpu_option.hpp"
#include "vmm/options/display_option.hpp"
#include "vmm/options/firmware_option.hpp"
#include "vmm/options/net_option.hpp"
#include "vmm/options/option_values.hpp"
#include "vmm/options/smbios_option.hpp"

#include <CLI/CLI.hpp>

#include <algorithm>
#include <array>
#include <functional>
#include <optional>
#include <utility>

namespace vmm {

namespace {

/// What the library collects for `porthole run`, before it becomes RunOptions.
class RunCommand {
  public:
    RunCommand(CLI::App& app, KnownNames const& known)
        : known_{known}, command_{*app.add_subcommand("run", "Launch guests and stay until they end")}
    {
        auto& guest = guest_;
        command_.allow_extras();
        command_.footer(wrapped("Privileges:", known.privileges) + wrapped("Hyper-V features:", known.hv_features) +
                        "Of an option that is given twice, the last counts; lists add up.\n"
                        "On the serial console, Ctrl-A x ends the run and Ctrl-A h lists the other keys.\n"
                        "See also porthole(1).");

        add("--config", "PATH", "launch the guests that this file describes, and not one described by options",
            [this](auto const& text) { config_ = text; });
        add("--kernel", "PATH",
            "the kernel: a bzImage, a Multiboot kernel, or an ELF file with a PVH note (required without --config, "
            "--firmware and --disk)",
            [&guest](auto const& text) { guest.kernel = text; });
        add("--initrd", "PATH", "the initial RAM disk", [&guest](auto const& text) { guest.initrd = text; });
        add_list(
            "--module", "PATH[,TEXT]",
            "a file to hand to a Multiboot or PVH kernel, behind the initrd, with this command line. Once for each",
            [&guest](auto const& text) { add_module("--module", guest.modules, parse_module("--module", text)); });
        add("--firmware", "auto|PATH",
            "start by a UEFI firmware instead of a kernel: auto (Debian's OVMF; the default with a disk, or with net "
            "in --boot, and no kernel), or one like OVMF_CODE_4M.fd",
            [&guest](auto const& text) { guest.firmware = parse_firmware("--firmware", text); });
        command_.add_flag("--secure-boot", guest.secure_boot,
                          "the firmware starts nothing but what Microsoft's keys, or those in the NVRAM file, sign");
        add("--boot", "disk,dvd,net",
            "the order in which the firmware tries what it can boot: disk, dvd, net or some of them; without it, as "
            "its variables say",
            [&guest](auto const& text) { guest.boot = parse_boot("--boot", text); });
        add_text("--nvram", "PATH", "keep the firmware's variables in this file, which is made when there is none",
                 guest.nvram);
        add_text("--tpm", "FOLDER",
                 "a TPM 2.0, by swtpm, which keeps its state in this folder; it is made when there is none",
                 guest.tpm);
        add("--cmdline", "TEXT", "the kernel's command line", [&guest](auto const& text) { guest.cmdline = text; });
        add("--memory", "SIZE[,max=SIZE]",
            "guest memory, e.g. 512M (the default) or 4G; with max, what it may come to have by dynamic memory",
            [&guest](auto const& text) { set_memory("--memory", text, guest); });
        add("--cpus", "N[,sockets=N][,threads=N][,nodes=N]",
            "virtual processors, 1 (the default) to " + std::to_string(GuestOptions::max_cpus) +
                ", in so many sockets, with so many threads a core, in so many NUMA nodes (1)",
            [&guest](auto const& text) { set_cpus(guest, parse_cpus("--cpus", text)); });
        add("--serial", "TARGET", "the other end of COM1: stdio (the default), lines, pty, file:PATH or none",
            [&guest](auto const& text) { guest.serial = parse_serial("--serial", text); });
        add_list(
            "--disk", "IMAGE[,OPTION...]",
            "a disk: an image (raw, or named .qcow2, .vhdx, .vhd, .vmdk), a block device or an nbd:// URI; "
            "options: ro, "
            "dvd, format=FORMAT, backing=FOLDER, controller=0..3, serial=TEXT, bootindex=N, bus=vmbus. Once for each "
            "disk",
            [&guest](auto const& text) { add_disk("--disk", guest.disks, parse_disk("--disk", text)); });
        add("--on-reboot", "WHAT", "when the guest reboots: exit (the default) or restart",
            [&guest](auto const& text) { guest.on_reboot = parse_on_reboot("--on-reboot", text); });
        add("--on-triple-fault", "WHAT",
            "when the guest triple-faults: reset (as on a PC; the default with --on-reboot restart) or end (the "
            "default otherwise)",
            [&guest](auto const& text) { guest.on_triple_fault = parse_on_triple_fault("--on-triple-fault", text); });
        add("--on-crash", "WHAT", "when the guest reports its crash: continue (the default) or end",
            [&guest](auto const& text) { guest.on_crash = parse_on_crash("--on-crash", text); });
        add("--rtc", "TIME",
            "what the battery-backed clock shows: utc (the default), or localtime, as Windows takes it",
            [&guest](auto const& text) { guest.rtc = parse_rtc("--rtc", text); });
        add_list("--smbios", "NAME=TEXT[,...]",
                 "what the machine's SMBIOS tables say: vendor, product, version, serial, uuid, sku, family, asset, "
                 "oem; a comma in a text is written twice",
                 [&guest](auto const& text) { parse_smbios("--smbios", text, guest.smbios); });
        add("--vsock", "PATH",
            "connect the guest's AF_VSOCK ports to UNIX sockets: PATH, and PATH_PORT for each of the host's",
            [&guest](auto const& text) { guest.vsock = parse_vsock("--vsock", text); });
        add_list("--privileges", "[+-]NAME[,[+-]NAME]",
                 "partition privileges to grant (+) or to take away (-), by the names below",
                 [&guest, known](auto const& text) {
                     auto const changes = parse_changes("--privileges", text, known.privileges);
                     guest.privileges.insert(guest.privileges.end(), changes.begin(), changes.end());
                 });
        add_list("--hv-features", "[+-]NAME[,[+-]NAME]",
                 "Hyper-V features to offer (+) or to hide (-), by the names below",
                 [&guest, known](auto const& text) {
                     auto const changes = parse_changes("--hv-features", text, known.hv_features);
                     guest.hv_features.insert(guest.hv_features.end(), changes.begin(), changes.end());
                 });
        add("--hyperv", "WHO",
            "who answers hypercalls: user (Porthole), hybrid (the kernel those that it answers best), or auto (the "
            "default: hybrid where KVM can)",
            [&guest](auto const& text) { guest.hyperv = parse_hyperv("--hyperv", text); });
        command_.add_flag("--nested", guest.nested,
                          "let the guest run guests itself, by VMX or SVM, where this KVM can");
        add_list("--net", "NETWORK[,...]",
                 "a network card: user[,mac=MAC][,hostfwd=tcp::PORT-:PORT][,tftp=FOLDER[,bootfile=NAME]] or "
                 "tap=NAME[,mac=MAC], both with [,bootindex=N]",
                 [&guest](auto const& text) { add_net(guest, "--net", text); });
        add("--display", "WHERE",
            "a screen, keyboard and mouse: vnc=ADDRESS:PORT or vnc=unix:PATH, both with [,password-file=PATH], or "
            "offscreen (for 'porthole ctl' alone)",
            [&guest](auto const& text) { guest.display = parse_display("--display", text); });
        add("--pool", "SIZE", "memory that the guest's ports and connections may take up, 64M by default",
            [&guest](auto const& text) { guest.pool = parse_pool("--pool", text); });
        add("--children", "partitions=N,vps=N",
            "let the guest make so many partitions by hypercall, with so many processors together",
            [&guest](auto const& text) { guest.children = parse_children("--children", text); });
        command_.add_flag("--test-devices", guest.test_devices,
                          "add the devices that test kernels expect: debug exit, debug console, SynIC test device");
        add("--control", "PATH", "take commands of 'porthole ctl' on this socket", [this](auto const& text) {
            if (text.empty()) throw UserError{"--control: name the socket to make"};
            options_.control = text;
        });
        add_jail(options_.jail);
        add("--trace", "KIND,...[=FILE]", "write one line for each hypercall,msr,synic,irq event, to FILE or stderr",
            [this](auto const& text) { options_.trace = parse_trace("--trace", text); });
        add("--log-level", "LEVEL", "trace, debug, info, warning (the default), error, critical or off",
            [this](auto const& text) { options_.log_level = parse_log_level("--log-level", text); });
        add("--log-file", "PATH", "write the log there, not to stderr",
            [this](auto const& text) { options_.log_file = text; });
    }
    RunCommand(RunCommand const&) = delete;
    RunCommand& operator=(RunCommand const&) = delete;

    [[nodiscard]] CLI::App const& command() const { return command_; }

    [[nodiscard]] RunOptions finished() const
    {
        auto options = options_;
        if (config_) {
            refuse_guest_options();
            options.guests = read_config(*config_, known_);
            return options;
        }
        auto guest = guest_;
        choose_start(guest);
        if (guest.kernel.empty() && !guest.starts_by_firmware()) {
            throw UserError{"--kernel is missing: name the kernel to boot, e.g. porthole run --kernel bzImage, or a "
                            "--disk to boot from by firmware, or --config FILE for several guests"};
        }
        check_start(guest);
        check_nodes(guest);
        settle_boot_order(guest);
        options.guests.push_back(std::move(guest));
        return options;
    }

  private:
    using Take = std::function<void(std::string const&)>;

    void add_jail(JailOptions& jail)
    {
        jail.privileges = jail.seccomp = jail.landlock = true;
        add("--jail", "WHAT",
            "by what the process is confined: on (the default), strict (and end where this host cannot), off, or "
            "some of privileges, seccomp, landlock",
            [&jail](auto const& text) { jail = parse_jail("--jail", text, jail); });
        add_list("--allow", "FOLDER", "let 'ctl disk-add' open files of this folder. Once for each",
                 [&jail](auto const& text) {
                     if (text.empty()) throw UserError{"--allow: name a folder"};
                     jail.folders.push_back(text);
                 });
        add_text("--user", "NAME[:GROUP]", "as root: become this user", jail.user);
        add_text("--chroot", "FOLDER", "as root: make this folder the root of all paths", jail.chroot);
        add_text("--netns", "NAME", "as root: enter this network namespace, a name of ip-netns(8) or a path",
                 jail.netns);
        add_text("--cgroup", "PATH", "as root: move to this cgroup, a folder below /sys/fs/cgroup or a path",
                 jail.cgroup);
    }

    void add_text(std::string const& name, std::string const& value, std::string const& help, std::string& text)
    {
        add(name, value, help, [name, &text](auto const& given) {
            if (given.empty()) throw UserError{name + " needs a value: see 'porthole run --help'"};
            text = given;
        });
    }

    /// The names behind `title`, in lines that fit a terminal.
    static std::string wrapped(std::string const& title, std::span<std::string_view const> names)
    {
        constexpr std::size_t width = 78;
        auto text = title;
        auto column = title.size();
        for (auto const name : names) {
            if (column + 1 + name.size() > width) {
                text.append("\n ");
                column = 1;
            }
            text.append(" ").append(name);
            column += 1 + name.size();
        }
        return text + "\n";
    }

    void add(std::string const& name, std::string const& value, std::string const& help, Take const& take)
    {
        auto const checked = [name, take](std::string const& text) {
            if (name != "--cmdline" && text.starts_with("--"))
                throw UserError{name + " needs a value: see 'porthole run --help'"};
            take(text);
        };
        command_.add_option_function<std::string>(name, checked, help)
            ->type_name(value)
            ->multi_option_policy(CLI::MultiOptionPolicy::TakeLast);
    }

    void add_list(std::string const& name, std::string const& value, std::string const& help, Take const& take)
    {
        auto const take_all = [take](std::vector<std::string> const& texts) {
            std::for_each(texts.begin(), texts.end(), take);
        };
        command_.add_option_function<std::vector<std::string>>(name, take_all, help)
            ->type_name(value)
            ->allow_extra_args(false);
    }

    /// A file says all about its guests: which of the two should win is nothing that a user can guess.
    void refuse_guest_options() const
    {
        constexpr std::array of_the_process{"--help",      "--config",   "--control", "--trace",
                                            "--log-level", "--log-file", "--jail",    "--allow",
                                            "--user",      "--chroot",   "--netns",   "--cgroup"};
        for (auto const* const option : command_.get_options()) {
            auto const name = option->get_name();
            if (option->count() == 0 || std::ranges::find(of_the_process, name) != of_the_process.end()) continue;
            throw UserError{"--config and " + name + " exclude each other: say it in the file, of a guest there"};
        }
    }

    KnownNames known_;
    GuestOptions guest_{};
    std::optional<std::string> config_{};
    RunOptions options_{}; ///< but for the guests
    CLI::App& command_;
};

/// The library takes "--name=" for an option whose value is the next argument: hands it an empty one.
std::vector<std::string> with_empty_values(std::span<char const* const> arguments)
{
    std::vector<std::string> out;
    for (std::string argument : arguments) {
        bool const empty_value = argument.starts_with("--") && argument.find('=') == argument.size() - 1;
        if (empty_value) argument.pop_back();
        out.push_back(std::move(argument));
        if (empty_value) out.emplace_back();
    }
    return out;
}

std::string one_line(std::string text)
{
    std::replace(text.begin(), text.end(), '\n', ' ');
    return text;
}

[[noreturn]] void complain(CLI::ParseError const& error)
{
    std::string const text = error.what();
    if (dynamic_cast<CLI::ArgumentMismatch const*>(&error))
        throw UserError{one_line(text.substr(0, text.find(':'))) + " needs a value: see 'porthole run --help'"};
    throw UserError{one_line(text) + ": see 'porthole --help'"};
}

void refuse_extras(CLI::App const& app, std::string const& see)
{
    auto const extras = app.remaining();
    if (extras.empty()) return;
    auto const* const what = extras.front().starts_with('-') ? "unknown option '" : "unexpected argument '";
    throw UserError{one_line(what + extras.front()) + "': see '" + see + "'"};
}

} // namespace

Command parse_command_line(std::span<char const* const> arguments, KnownNames const& known)
{
    CLI::App app{"Porthole runs guests on KVM and is a Hyper-V to them.", "porthole"};
    app.set_version_flag("--version", "porthole " PORTHOLE_VERSION);
    app.require_subcommand(0, 1);
    app.allow_extras();
    RunCommand run{app, known};
    CtlCommand const ctl{app};
    auto* const doctor =
        app.add_subcommand("doctor", "Say what this machine's KVM can run, and what is wrong with it");
    doctor->allow_extras();

    auto unparsed = with_empty_values(arguments);
    std::reverse(unparsed.begin(), unparsed.end()); // as the library wants it
    try {
        app.parse(std::move(unparsed));
    } catch (CLI::CallForHelp const&) {
        return PrintRequest{app.help()};
    } catch (CLI::CallForVersion const& version) {
        return PrintRequest{std::string{version.what()} + "\n"};
    } catch (CLI::ParseError const& error) {
        complain(error);
    }

    refuse_extras(app, "porthole --help");
    refuse_extras(run.command(), "porthole run --help");
    refuse_extras(ctl.command(), "porthole ctl --help");
    refuse_extras(*doctor, "porthole doctor --help");
    if (run.command().parsed()) return run.finished();
    if (ctl.command().parsed()) return ctl.finished();
    if (doctor->parsed()) return DoctorRequest{};
    throw UserError{"say what to do: 'porthole run --kernel PATH', 'porthole run --config FILE', 'porthole ctl', "
                    "'porthole doctor' or 'porthole --help'"};
}

} // namespace vmm
