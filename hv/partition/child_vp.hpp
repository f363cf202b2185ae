/// A VP of a partition that another has made: its parent suspends it, is told of its intercepts, and answers them
/// (TLFS 2.0a §9, §10.1.3).
#pragma once

#include "hv/base/overlay_page.hpp"
#include "hv/base/sync.hpp"
#include "hv/child/child_host.hpp"
#include "hv/partition/installed_intercepts.hpp"
#include "hv/synic/message_queue.hpp"
#include "hv/vp/suspension.hpp"
#include "hv/vp/virtual_processor.hpp"

#include <cstdint>
#include <memory>

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

    /// Puts a state page over one of the parent's: that of messages shows the last one, and that of registers says
    /// that it holds none. InvalidParameter when there is none of that kind, or no RAM there; InvalidVpState when it
    /// is somewhere already. From any VP of the parent.
    [[nodiscard]] Status show_page(abi::VpStatePage type, std::uint64_t page);
    /// InvalidVpState when it is nowhere.
    [[nodiscard]] Status hide_page(abi::VpStatePage type);

  private:
    [[nodiscard]] bool suspended() const override { return suspension_.suspended(); }
    [[nodiscard]] bool intercepts_port(std::uint16_t port, std::uint8_t size, bool is_write) const override
    {
        return family_.intercepts.has_port(port, size, is_write);
    }
    [[nodiscard]] bool rang(Gpa gpa, std::span<std::byte const> data) override;
    void intercepted(Intercept const& intercept) override;

    void post(abi::Message const& message);
    [[nodiscard]] OverlayPage& page_of(abi::VpStatePage type)
    {
        return type == abi::VpStatePage::Registers ? register_page_ : message_page_;
    }
    [[nodiscard]] Synic& hearer() const;

    Family const family_;
    std::unique_ptr<ChildProcessor> const processor_;
    VirtualProcessor vp_;
    Suspension suspension_;
    bool const has_message_page_;
    MessageBuffer buffer_; ///< 2.0a §14.2.1; it may wait at one of the parent's SynICs

    Mutex<LockRank::Leaf> lock_; // the rest
    OverlayPage message_page_;
    OverlayPage register_page_; ///< zeros: not valid, so that parents ask for registers
};

} // namespace hv
