/// What `porthole run` was asked to do, as typed values.
#pragma once

#include "devices/block/image_format.hpp"
#include "devices/net/mac_address.hpp"
#include "devices/net/port_forward.hpp"
#include "hv/abi/guid.hpp"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace vmm {

enum class OnReboot {
    Exit,    ///< a guest that reboots ends the run with status 0
    Restart, ///< it starts anew, from the kernel file
};

/// What a triple fault does. On a PC it resets the machine.
enum class OnTripleFault {
    Reset, ///< it is as any other reboot
    End,   ///< it ends the guest, with the registers of the processor
};

/// What a crash does that a guest reports by the crash MSRs.
enum class OnCrash {
    Continue, ///< it is noted, and the guest goes on: it may save a dump, and reboots by itself
    End,      ///< it ends the guest
};

/// What the battery-backed clock shows at the start.
enum class RtcTime {
    Utc,   ///< as Linux takes it
    Local, ///< the host's local time, as Windows takes it
};

/// Who answers the guest's hypercalls.
enum class HypervMode {
    Auto,   ///< Hybrid where the host's KVM can, User elsewhere
    User,   ///< Porthole alone
    Hybrid, ///< Porthole, and the kernel those that it answers best
};

/// Where a serial port's other end is.
struct SerialTarget {
    enum class Kind {
        Stdio, ///< standard input and output, with the escape key
        Lines, ///< standard output, whole lines with the guest's name before each; no input
        Pty,   ///< a new pseudo terminal
        File,  ///< output only
        None,
    };

    Kind kind = Kind::Stdio;
    std::string path{}; ///< for File

    friend bool operator==(SerialTarget const&, SerialTarget const&) = default;
};

/// One entry of --privileges or --hv-features: what the partition has, or has not, whatever the default says.
struct RightChange {
    bool grant;
    std::string name;

    friend bool operator==(RightChange const&, RightChange const&) = default;
};

/// By what a guest shows that those may start who wait for it.
struct ReadySignal {
    static constexpr std::size_t longest_text = 256;

    enum class Kind {
        None,
        Synic, ///< it enables the SynIC of a VP
        Text,  ///< it prints `text` on its serial port
    };

    Kind kind = Kind::None;
    std::string text{}; ///< 1 to `longest_text` bytes

    friend bool operator==(ReadySignal const&, ReadySignal const&) = default;
};

/// A disk image, and how the guest is to see it.
struct DiskOptions {
    static constexpr unsigned max_controllers = 4;
    static constexpr std::size_t max_on_controller = 64;

    std::string image{};                                      ///< path, or the URI of an NBD server
    std::optional<devices::block::ImageFormat> told_format{}; ///< of a path; without one its name says it
    std::string backing{}; ///< a folder for files that belong to the image, beside its own; empty for none
    bool read_only = false;
    bool dvd = false; ///< a disc in a drive, not a disk
    unsigned controller = 0;
    std::string serial{};                 ///< empty: made from the image's name
    std::optional<unsigned> boot_index{}; ///< a firmware tries the lowest first, and those without one last

    static constexpr unsigned max_boot_index = 9999;

    [[nodiscard]] bool is_server() const { return image.find("://") != std::string::npos; }
    /// Raw also for a server's.
    [[nodiscard]] devices::block::ImageFormat format() const
    {
        using devices::block::ImageFormat;
        return is_server() ? ImageFormat::Raw : told_format.value_or(devices::block::format_by_name(image));
    }

    friend bool operator==(DiskOptions const&, DiskOptions const&) = default;
};

/// What a firmware can boot from.
enum class BootDevice { Disk, Dvd, Net };

/// A file that a Multiboot or PVH kernel is handed beside the initrd.
struct ModuleOptions {
    std::string path{};
    std::string text{}; ///< its command line

    friend bool operator==(ModuleOptions const&, ModuleOptions const&) = default;
};

/// How processors share packages, cores and memory. A package has the same number of cores as any other, and so has a
/// node.
struct CpuTopology {
    static constexpr unsigned max_nodes = 64;

    unsigned sockets = 1;
    unsigned threads = 1; ///< of a core
    unsigned nodes = 1;   ///< of NUMA, each with as much memory as any other

    friend bool operator==(CpuTopology const&, CpuTopology const&) = default;
};

/// A UEFI firmware, as files.
struct FirmwareOptions {
    std::string code{};      ///< path; empty for none
    std::string variables{}; ///< path of the template of its variables; empty: `code` begins with it

    friend bool operator==(FirmwareOptions const&, FirmwareOptions const&) = default;
};

/// What a machine's SMBIOS tables say of it. A text that is empty is not there.
struct SmbiosOptions {
    static constexpr std::size_t longest_text = 1024;
    static constexpr std::size_t most_oem_strings = 16;
    static constexpr std::string_view default_vendor = "Porthole";

    std::string vendor{default_vendor};
    std::string product{"Virtual Machine"};
    std::string version{}; ///< empty: Porthole's
    std::string serial{};
    std::string sku{};
    std::string family{};
    std::string asset{};            ///< of the chassis
    hv::vmbus::Guid uuid{};         ///< zero: none is set
    std::vector<std::string> oem{}; ///< for whoever looks for them, e.g. systemd's credentials

    friend bool operator==(SmbiosOptions const&, SmbiosOptions const&) = default;
};

/// A network card, and the network that it is on.
struct NetOptions {
    std::string tap{}; ///< an interface of the host; empty: a user-mode network of its own
    std::optional<devices::net::MacAddress> mac{};     ///< without one a stable address is derived
    std::vector<devices::net::PortForward> forwards{}; ///< of a user-mode network
    std::string tftp{};                                ///< folder whose files it serves by TFTP; empty for none
    std::string boot_file{};                           ///< among these what DHCP names to whoever boots; or empty
    std::optional<unsigned> boot_index{};              ///< as a disk's

    static constexpr std::size_t longest_boot_file = 127; ///< with its end it fits in a DHCP message (RFC 2131 §2)
};

/// Where a guest's screen is to be seen.
struct DisplayOptions {
    enum class Kind {
        None,      ///< it has none
        Offscreen, ///< by commands of the control socket alone, as with the others
        Tcp,       ///< by VNC, at `address` and `port`
        Unix,      ///< by VNC, on the UNIX socket at `path`
    };

    Kind kind = Kind::None;
    std::string address{}; ///< in numbers
    std::uint16_t port = 0;
    bool beyond_loopback = false; ///< the address is one that other machines may reach
    std::string path{};
    std::string password_file{}; ///< path; empty for no password

    [[nodiscard]] bool is_vnc() const { return kind == Kind::Tcp || kind == Kind::Unix; }
    friend bool operator==(DisplayOptions const&, DisplayOptions const&) = default;
};

/// What a guest may have of partitions that it makes by hypercall.
struct ChildrenOptions {
    static constexpr unsigned max_partitions = 256;
    static constexpr unsigned max_vps = 256;

    unsigned partitions = 0; ///< at once; 0: it makes none
    unsigned vps = 0;        ///< of all of them together

    friend bool operator==(ChildrenOptions const&, ChildrenOptions const&) = default;
};

/// One guest. Nothing here is about the process, so that a run of several guests is several of these.
struct GuestOptions {
    static constexpr std::uint64_t min_memory = std::uint64_t{16} << 20;
    static constexpr unsigned max_cpus = 254; ///< 8-bit APIC IDs, less the broadcast ID and the I/O APIC's

    static constexpr std::size_t longest_vsock = 96; ///< with "_" and a port behind it, it still fits an address

    static constexpr std::uint64_t min_pool = std::uint64_t{16} << 10; ///< what the root takes up in it fits
    static constexpr std::size_t max_nets = 16;
    static constexpr std::size_t max_modules = 31; ///< beside the initrd
    static constexpr std::uint64_t max_pool = std::uint64_t{64} << 30;

    std::string name{}; ///< of a guest in a configuration file; empty for the one of the command line
    [[nodiscard]] std::string designation() const { return name.empty() ? "the guest" : "guest '" + name + "'"; }

    std::string kernel{};                 ///< path; empty for a guest that starts by firmware
    std::string initrd{};                 ///< path; empty for none
    std::vector<ModuleOptions> modules{}; ///< in the order in which the kernel finds them, behind the initrd
    std::string cmdline{};
    FirmwareOptions firmware{};
    [[nodiscard]] bool starts_by_firmware() const { return !firmware.code.empty(); }
    std::vector<BootDevice> boot{}; ///< in which order; each at most once
    bool secure_boot = false;
    std::string nvram{}; ///< path of the file with the firmware's variables; empty: they end with the run
    std::string tpm{};   ///< path of the folder in which its TPM keeps its state; empty for none
    std::uint64_t memory = std::uint64_t{512} << 20; ///< bytes, a multiple of 4096; at the start
    std::uint64_t most_memory = 0; ///< bytes, likewise, that it may come to have; 0: it has the same all the time
    unsigned cpus = 1;
    CpuTopology topology{};
    SerialTarget serial{};
    std::vector<DiskOptions> disks{}; ///< in the order in which a controller has them
    OnReboot on_reboot = OnReboot::Exit;
    std::optional<OnTripleFault> on_triple_fault{}; ///< not given: Reset for a guest that restarts, End for others
    [[nodiscard]] OnTripleFault triple_fault_policy() const
    {
        return on_triple_fault.value_or(on_reboot == OnReboot::Restart ? OnTripleFault::Reset : OnTripleFault::End);
    }
    OnCrash on_crash = OnCrash::Continue;
    RtcTime rtc = RtcTime::Utc;
    SmbiosOptions smbios{};
    std::string vsock{};                    ///< path of the UNIX socket for its Hyper-V sockets; empty for none
    std::vector<RightChange> privileges{};  ///< in the order given; a later one wins
    std::vector<RightChange> hv_features{}; ///< likewise
    std::vector<NetOptions> nets{};         ///< network cards
    DisplayOptions display{};
    HypervMode hyperv = HypervMode::Auto;
    bool nested = false; ///< it may run guests itself (VMX, SVM)
    bool test_devices = false;
    std::uint64_t pool = std::uint64_t{64} << 20; ///< bytes that its ports and connections may take up
    ChildrenOptions children{};
    std::string parent{};             ///< another guest's name; empty for the root
    std::vector<std::string> after{}; ///< names of the guests whose ready signals it waits for
    ReadySignal ready{};
};

/// The names of privileges and features. The lists belong to those who give them meaning.
struct KnownNames {
    std::span<std::string_view const> privileges;
    std::span<std::string_view const> hv_features;
};

/// Which events are written as lines of text, and where to.
struct TraceOptions {
    bool hypercall = false;
    bool msr = false;
    bool synic = false;
    bool irq = false;
    std::string file{}; ///< empty for stderr

    [[nodiscard]] bool any() const { return hypercall || msr || synic || irq; }
    friend bool operator==(TraceOptions const&, TraceOptions const&) = default;
};

/// By what the process is confined before a guest runs: nothing, unless it is asked for. And what it may still open
/// then.
struct JailOptions {
    bool privileges = false; ///< no capabilities, no new privileges, no core files
    bool seccomp = false;    ///< each thread makes the system calls of its role, and no others
    bool landlock = false;   ///< the guests' own files, and no others
    bool strict = false;     ///< what this host lacks of these is an error, not a warning

    static constexpr std::string_view servers = "nbd"; ///< in `folders`: disks on NBD servers, not a folder

    std::vector<std::string> folders{}; ///< whose files commands may add as disks
    std::string user{};                 ///< NAME or NUMBER, with ":GROUP" behind it or not; empty: as who started it
    std::string chroot{};               ///< folder that becomes "/"; empty for none
    std::string netns{};                ///< name or path of a network namespace; empty for the same one
    std::string cgroup{};               ///< path of a folder of a cgroup hierarchy; empty for the same one

    friend bool operator==(JailOptions const&, JailOptions const&) = default;
};

struct RunOptions {
    std::vector<GuestOptions> guests{}; ///< names, parents and waits have been checked
    std::string log_level = "warning";  ///< one of spdlog's names
    std::string log_file{};             ///< empty for stderr
    TraceOptions trace{};
    std::string control{}; ///< path of the control socket; empty for none
    JailOptions jail{};
};

} // namespace vmm
