/// What `porthole run` was asked to do, as typed values.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace vmm {

enum class OnReboot {
    Exit,    ///< a guest that reboots ends the run with status 0
    Restart, ///< it starts anew, from the kernel file
};

/// Where a serial port's other end is.
struct SerialTarget {
    enum class Kind { Stdio, File, None };

    Kind kind = Kind::Stdio;
    std::string path{}; ///< for File

    friend bool operator==(SerialTarget const&, SerialTarget const&) = default;
};

/// One entry of --hv-features: a CPUID feature that is offered, or not, whatever the default says.
struct FeatureChange {
    bool offer;
    std::string name;

    friend bool operator==(FeatureChange const&, FeatureChange const&) = default;
};

/// One guest. Nothing here is about the process, so that a run of several guests is several of these.
struct GuestOptions {
    static constexpr std::uint64_t min_memory = std::uint64_t{16} << 20;
    static constexpr unsigned max_cpus = 254; ///< 8-bit APIC IDs, less the broadcast ID and the I/O APIC's

    std::string kernel{}; ///< path
    std::string initrd{}; ///< path; empty for none
    std::string cmdline{};
    std::uint64_t memory = std::uint64_t{512} << 20; ///< bytes, a multiple of 4096
    unsigned cpus = 1;
    SerialTarget serial{};
    OnReboot on_reboot = OnReboot::Exit;
    std::vector<std::string> privileges{};    ///< granted beyond those of an ordinary guest
    std::vector<FeatureChange> hv_features{}; ///< in the order given; a later one wins
    bool test_devices = false;
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

struct RunOptions {
    GuestOptions guest{};
    std::string log_level = "warning"; ///< one of spdlog's names
    std::string log_file{};            ///< empty for stderr
    TraceOptions trace{};
};

} // namespace vmm
