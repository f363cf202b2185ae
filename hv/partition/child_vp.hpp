/// A VP of a partition that another has made: its parent suspends it, is told of its intercepts, and answers them
/// (TLFS 2.0a §9, §10.1.3).
#pragma once

#include "hv/abi/intercept_result.hpp"
#include "hv/abi/result.hpp"
#include "hv/abi/vp_state.hpp"
#include "hv/base/overlay_page.hpp"
#include "hv/base/sync.hpp"
#include "hv/child/child_host.hpp"
#include "hv/child/cpuid_results.hpp"
#include "hv/child/msr_results.hpp"
#include "hv/partition/installed_intercepts.hpp"
#include "hv/synic/message_queue.hpp"
#include "hv/vp/suspension.hpp"
#include "hv/vp/virtual_processor.hpp"

#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <vector>

namespace hv {

class ChildVp final : public VpSupervisor {
  public:
    struct Family {
        Partition& parent;
        Partition& child;
        InstalledIntercepts const& intercepts;
    };

    /// Messages lie in the intercept message page, or, without one, are messages to the parent's SINT0.
    ChildVp(Family family, VpIndex index, std::unique_ptr<ChildProcessor> processor, bool has_message_page);
    /// `end` has been called.
    ~ChildVp() override;

    [[nodiscard]] VirtualProcessor& vp() { return vp_; }
    /// It is found by its index, and its thread begins; it is suspended.
    void begin();
    /// It is found no more, and its thread has ended. From any VP of the parent.
    void end();

    /// Puts a state page over one of the parent's: that of messages shows the last one, and that of registers holds
    /// them while the VP is suspended. InvalidParameter when there is none of that kind, or no RAM there;
    /// InvalidVpState when it is somewhere already. From any VP of the parent.
    [[nodiscard]] Status show_page(abi::VpStatePage type, std::uint64_t page);
    /// InvalidVpState when it is nowhere.
    [[nodiscard]] Status hide_page(abi::VpStatePage type);

    // What the VP finds where nothing is intercepted. On its own thread.

    /// InvalidVpState: it has run, and the host does not let its CPUID change then; NoResources: too many.
    [[nodiscard]] Status register_result(abi::CpuidResult const& result);
    [[nodiscard]] Status register_result(abi::MsrResult const& result);
    /// InvalidParameter also when there is none of that name.
    [[nodiscard]] Status unregister_result(abi::CpuidResultName const& name);
    [[nodiscard]] Status unregister_result(abi::MsrResult const& result);
    /// `flags` of abi::cpuid_flag. As many values as leaves.
    [[nodiscard]] Status cpuid(std::uint32_t flags, std::span<abi::CpuidLeafInfo const> leaves,
                               std::span<abi::CpuidValues> values);

    // State that its parent saves. On its own thread.

    /// InvalidParameter: no such state, or of such components; InvalidVpState when it cannot be had.
    [[nodiscard]] Result<std::vector<std::byte>> get_state(abi::VpStateInput const& what);
    /// `bytes` may be more than there are. InvalidParameter: too few, or malformed; InvalidRegisterValue: the host
    /// refuses it; InvalidVpState: of a page that is not enabled.
    [[nodiscard]] Status set_state(abi::VpStateInput const& what, std::span<std::byte const> bytes);

  private:
    [[nodiscard]] std::byte* synic_page(abi::VpStateType type);
    [[nodiscard]] Result<std::vector<std::byte>> local_apic();
    [[nodiscard]] Result<std::vector<std::byte>> xsave(std::uint64_t flags, std::uint64_t states);
    [[nodiscard]] std::vector<std::byte> timers();
    [[nodiscard]] Status set_local_apic(abi::LocalApicState const& state);
    [[nodiscard]] Status set_xsave(std::uint64_t flags, std::span<std::byte const> bytes);
    [[nodiscard]] Status set_timers(abi::SyntheticTimersState const& state);
    [[nodiscard]] MsrAnswer msr_answer(std::uint32_t index, bool is_write) const override;
    [[nodiscard]] bool suspended() const override;
    [[nodiscard]] bool intercepts_port(std::uint16_t port, std::uint8_t size, bool is_write) const override
    {
        return family_.intercepts.has_port(port, size, is_write);
    }
    [[nodiscard]] bool rang(Gpa gpa, std::span<std::byte const> data) override;
    void ended(std::uint8_t vector) override;
    void intercepted(Intercept const& intercept) override;

    [[nodiscard]] Status change_cpuid(CpuidResults changed);
    void post(abi::Message const& message, MessageBuffer& buffer);
    void count(Intercept::Kind kind);
    void tell_counters();
    [[nodiscard]] Synic* hearer() const;
    void withdraw_messages();

    Family const family_;
    std::unique_ptr<ChildProcessor> const processor_;
    VirtualProcessor vp_;
    Suspension suspension_;
    RegisterPage register_page_;
    bool const has_message_page_;
    CpuidResults cpuid_; ///< on the VP's thread, as the next
    MsrResults msrs_;
    struct Counters {
        std::uint64_t ports = 0, memory = 0, msrs = 0, halts = 0, others = 0, eois = 0;
    };
    Counters counters_;
    MessageBuffer buffer_; ///< 2.0a §14.2.1; it may wait at one of the parent's SynICs, as the next
    std::map<std::uint8_t, MessageBuffer> eoi_buffers_; ///< by vector: one that waits says enough

    Mutex<LockRank::Leaf> lock_; // the rest
    OverlayPage message_page_;
};

} // namespace hv
