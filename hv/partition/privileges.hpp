/// What a partition may do and what CPUID offers it: HV_PARTITION_PRIVILEGE_MASK (leaf 0x40000003 EAX and EBX) and
/// the feature bits of the same leaf's EDX. What is not offered is refused.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

namespace hv {

/// A bit of HV_PARTITION_PRIVILEGE_MASK (TLFS 6.0b §4.2.2). Bit 15 is known from Linux only.
enum class Privilege : unsigned {
    AccessVpRunTime = 0,
    AccessReferenceCounter = 1,
    AccessSynic = 2,
    AccessSyntheticTimers = 3,
    AccessHypercallMsrs = 5,
    AccessVpIndex = 6,
    AccessReset = 7,
    AccessReferenceTsc = 9,
    AccessGuestIdle = 10,
    AccessFrequencies = 11,
    AccessTscInvariantControl = 15,
    AccessPartitionId = 33,
    PostMessages = 36,
    SignalEvents = 37,
    CreatePort = 38,
    ConnectPort = 39,
};

/// A bit of leaf 0x40000003 EDX.
enum class Feature : unsigned {
    XmmInput = 4,
    GuestIdle = 5,
    Frequencies = 8,
    GuestCrash = 10,
    SintPolling = 17,
    HypercallMsrLock = 18,
    DirectTimers = 19,
};

class Rights {
  public:
    constexpr Rights() = default;

    /// What an ordinary guest is offered. CreatePort, ConnectPort and AccessPartitionId are only ever granted: Linux
    /// of the 6.1 era stumbles over AccessPartitionId when it is not root, and the requirements paper wants it and
    /// CreatePort clear for Windows.
    [[nodiscard]] static Rights ordinary();
    /// The root partition's: everything.
    [[nodiscard]] static Rights root();

    [[nodiscard]] constexpr bool has(Privilege p) const { return ((privileges_ >> unsigned(p)) & 1) != 0; }
    [[nodiscard]] constexpr bool has(Feature f) const { return ((features_ >> unsigned(f)) & 1) != 0; }
    constexpr void set(Privilege p, bool on) { change(privileges_, std::uint64_t{1} << unsigned(p), on); }
    constexpr void set(Feature f, bool on) { change(features_, 1U << unsigned(f), on); }

    [[nodiscard]] constexpr std::uint32_t eax() const { return static_cast<std::uint32_t>(privileges_); }
    [[nodiscard]] constexpr std::uint32_t ebx() const { return static_cast<std::uint32_t>(privileges_ >> 32); }
    [[nodiscard]] constexpr std::uint32_t edx() const { return features_; }

  private:
    template <typename Word>
    static constexpr void change(Word& word, Word bits, bool on)
    {
        word = on ? word | bits : word & ~bits;
    }

    std::uint64_t privileges_ = 0;
    std::uint32_t features_ = 0;
};

/// A name on the command line, and what it stands for.
struct RightName {
    std::string_view name;
    std::optional<Privilege> privilege;
    std::optional<Feature> feature;
    std::string_view meaning;
};

/// Names for --privileges: what a partition may ask of the hypervisor (EBX).
[[nodiscard]] std::span<RightName const> privilege_names();
/// Names for --hv-features: what CPUID offers (EAX and EDX).
[[nodiscard]] std::span<RightName const> feature_names();

/// Grants or withdraws what the name stands for. False when there is no such name in `names`.
[[nodiscard]] bool apply(Rights& rights, std::span<RightName const> names, std::string_view name, bool on);

} // namespace hv
