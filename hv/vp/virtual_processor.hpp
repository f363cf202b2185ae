/// A virtual processor as the hypervisor sees it: its SynIC, its timers and its synthetic MSRs.
#pragma once

#include "hv/abi/types.hpp"
#include "hv/base/acceleration.hpp"
#include "hv/base/inspect.hpp"
#include "hv/base/interfaces.hpp"
#include "hv/base/overlay_page.hpp"
#include "hv/synic/synic.hpp"
#include "hv/vp/external_interrupt.hpp"
#include "hv/vp/register_page.hpp"
#include "hv/vp/suspension.hpp"
#include "hv/vp/synthetic_timers.hpp"
#include "hv/vp/vp_environment.hpp"
#include "hv/vp/vp_requests.hpp"

#include <atomic>
#include <cstdint>
#include <optional>
#include <vector>

namespace hv {

class Partition;

/// Used by the VP's own thread, or by one that serves a request in its place (VpRequests), but for `synic`,
/// `requests` and `external_interrupt`, which any thread may use.
class VirtualProcessor {
  public:
    /// `environment` is that of the partition. Both outlive the VP.
    VirtualProcessor(Partition& partition, VpEnvironment& environment, VpIndex index, VpControl& control);

    [[nodiscard]] Partition& partition() const { return partition_; }
    [[nodiscard]] VpIndex index() const { return index_; }
    [[nodiscard]] VpControl& control() const { return control_; }
    [[nodiscard]] Synic& synic() { return synic_; }
    [[nodiscard]] VpRequests& requests() { return requests_; }
    [[nodiscard]] ExternalInterrupt& external_interrupt() { return external_interrupt_; }

    /// By which the parent of its partition runs it; before it runs.
    void suspend_by(Suspension& suspension, RegisterPage& page)
    {
        suspension_ = &suspension;
        register_page_ = &page;
    }
    /// nullptr of one that no parent runs.
    [[nodiscard]] Suspension* suspension() const { return suspension_; }

    /// RDMSR and WRMSR of 0x40000000 to 0x400001FF. No value, or false, means #GP.
    [[nodiscard]] std::optional<std::uint64_t> read_msr(std::uint32_t msr);
    [[nodiscard]] bool write_msr(std::uint32_t msr, std::uint64_t value);

    /// A register by its name. InvalidParameter when this VP has none of that name.
    [[nodiscard]] Result<abi::RegisterValue> get_register(abi::RegisterName name);
    /// InvalidParameter also when it is read-only, InvalidRegisterValue when it cannot have this value.
    [[nodiscard]] Status set_register(abi::RegisterName name, abi::RegisterValue const& value);

    /// Before and after its parent deals with its state: what the parent has changed in the register page becomes the
    /// VP's, or is InvalidRegisterValue; the page shows what has become of it.
    [[nodiscard]] Status begin_visit();
    void end_visit();
    /// State of the VP has changed that the register page may show.
    void registers_changed() { registers_changed_ = true; }

    /// Adds the numbers of the pages that its overlays are to cover. From any thread.
    void list_overlays(std::vector<std::uint64_t>& pages);

    /// On the VP's own thread, with its registers settled.
    void inspect(Inspector& inspector);

    /// All but what the hypervisor below has of it. On the VP's own thread, or before that runs. The guest's memory
    /// has been restored before, and so have the ports whose messages wait. Throws std::bad_alloc.
    void visit(StateVisitor& visitor, Synic::BufferFor const& port_buffer);

    /// The deadline asked for through VpControl has come.
    void expire_timers() { timers_.expire(); }
    /// The TSC that its guest reads has become another one.
    void tsc_moved();

  private:
    [[nodiscard]] std::optional<std::uint64_t> read(std::uint32_t msr);
    [[nodiscard]] bool write(std::uint32_t msr, std::uint64_t value);
    void set_assist_page(std::uint64_t value);
    void visit_assist_page(StateVisitor& visitor);
    [[nodiscard]] bool shares_assist_page() const;
    [[nodiscard]] abi::PageRegister assist() const { return {assist_.load(std::memory_order_relaxed)}; }

    Partition& partition_;
    VpEnvironment& environment_;
    VpIndex const index_;
    VpControl& control_;
    Acceleration* const acceleration_; ///< or nullptr
    Synic synic_;
    SyntheticTimers timers_;
    std::atomic<std::uint64_t> assist_{0}; ///< changed by the VP's own thread
    OverlayPage assist_page_;
    VpRequests requests_;
    ExternalInterrupt external_interrupt_;
    Suspension* suspension_ = nullptr; ///< of a child's VP, as the next
    RegisterPage* register_page_ = nullptr;
    bool registers_changed_ = false;
};

} // namespace hv
