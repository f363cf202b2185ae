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
    AccessIntrCtrlRegs = 4,
    AccessHypercallMsrs = 5,
    AccessVpIndex = 6,
    AccessReset = 7,
    AccessReferenceTsc = 9,
    AccessGuestIdle = 10,
    AccessFrequencies = 11,
    AccessTscInvariantControl = 15,
    CreatePartitions = 32, ///< also: to make the calls that are restricted to children
    AccessPartitionId = 33,
    AccessMemoryPool = 34, ///< of children: deposits and withdrawals
    PostMessages = 36,
    SignalEvents = 37,
    CreatePort = 38,
    ConnectPort = 39,
    AccessVpRegisters = 49,
    EnableExtendedHypercalls = 52,
    StartVirtualProcessor = 53,
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

/// A bit of leaf 0x40000004 EAX that stands for a hypercall or a group of MSRs: recommended and offered are one thing
/// here.
enum class Recommendation : unsigned {
    RemoteTlbFlush = 2,
    ApicMsrs = 3,
    ClusterIpi = 10,
    ExProcessorMasks = 11,
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
    [[nodiscard]] constexpr bool has(Recommendation r) const { return ((recommendations_ >> unsigned(r)) & 1) != 0; }
    constexpr void set(Privilege p, bool on) { change(privileges_, std::uint64_t{1} << unsigned(p), on); }
    constexpr void set(Feature f, bool on) { change(features_, 1U << unsigned(f), on); }

    constexpr void set(Recommendation r, bool on) { change(recommendations_, 1U << unsigned(r), on); }
    /// What both have.
    [[nodiscard]] friend constexpr Rights operator&(Rights a, Rights const& b)
    {
        a.privileges_ &= b.privileges_;
        a.features_ &= b.features_;
        a.recommendations_ &= b.recommendations_;
        return a;
    }

    [[nodiscard]] constexpr std::uint32_t eax() const { return static_cast<std::uint32_t>(privileges_); }
    [[nodiscard]] constexpr std::uint32_t ebx() const { return static_cast<std::uint32_t>(privileges_ >> 32); }
    [[nodiscard]] constexpr std::uint32_t edx() const { return features_; }
    /// HV_PARTITION_PRIVILEGE_MASK.
    [[nodiscard]] constexpr std::uint64_t privileges() const { return privileges_; }
    /// Bits of leaf 0x40000004 EAX.
    [[nodiscard]] constexpr std::uint32_t recommendations() const { return recommendations_; }

  private:
    template <typename Word>
    static constexpr void change(Word& word, Word bits, bool on)
    {
        word = on ? word | bits : word & ~bits;
    }

    std::uint64_t privileges_ = 0;
    std::uint32_t features_ = 0;
    std::uint32_t recommendations_ = 0;
};

/// A name on the command line, and what it stands for.
struct RightName {
    std::string_view name;
    std::optional<Privilege> privilege;
    std::optional<Feature> feature;
    std::string_view meaning;
    std::optional<Recommendation> recommendation{};
    bool ordinary = true; ///< of a feature: offered unless it is hidden; else only when it is asked for
};

/// Names for --privileges: what a partition may ask of the hypervisor (EBX).
[[nodiscard]] std::span<RightName const> privilege_names();
/// Names for --hv-features: what CPUID offers (EAX and EDX).
[[nodiscard]] std::span<RightName const> feature_names();

/// Grants or withdraws what the name stands for. False when there is no such name in `names`.
[[nodiscard]] bool apply(Rights& rights, std::span<RightName const> names, std::string_view name, bool on);

} // namespace hv
