/// By what Porthole's EFI driver reads and writes the guest's disks before its operating system does by VMBus.
#pragma once

#include "devices/firmware/mailbox_protocol.hpp"
#include "devices/pc/mmio_bus.hpp"
#include "devices/vmbus/storage/disk.hpp"
#include "hv/base/guest_memory.hpp"
#include "hv/base/state.hpp"

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

namespace devices::firmware {

/// A disk, and where on VMBus it is.
struct BootUnit {
    std::array<std::uint8_t, 16> instance; ///< of its controller
    std::uint8_t lun;
    std::weak_ptr<storage::Disk> disk; ///< which may be taken away from the guest
    std::uint32_t place = 0;           ///< among those to boot from, the lowest first; 0: it has none
};

/// The registers of mailbox_protocol.hpp. One request at a time: the guest's structure is copied once, and the work
/// is the backend's, on its own threads where it may take long. What is under way when the mailbox ends keeps the
/// disk and the guest's RAM.
class BlockMailbox final : public DwordMmio {
  public:
    /// `memory` outlives it; `guest_ram` is what keeps it mapped for a backend that does not answer.
    BlockMailbox(hv::GuestMemory const& memory, std::shared_ptr<void const> guest_ram, std::vector<BootUnit> units);
    ~BlockMailbox() override;

    /// The guest's address of a request; what is under way is not saved, but was answered before.
    void visit(hv::StateVisitor& visitor);

  private:
    class Transfer;
    using SharedState = std::shared_ptr<std::atomic<mailbox::State>>;

    [[nodiscard]] std::uint32_t read_dword(std::uint64_t offset, unsigned size) override;
    void write_dword(std::uint64_t offset, unsigned size, std::uint32_t value) override;

    void start();
    /// Nothing when the answer comes later.
    [[nodiscard]] std::optional<mailbox::State> carry_out(mailbox::Request const& request);
    [[nodiscard]] mailbox::State identify(BootUnit const& unit, storage::Disk const& disk,
                                          mailbox::Request const& request) const;
    [[nodiscard]] std::optional<mailbox::State> transfer(std::shared_ptr<storage::Disk> disk,
                                                         mailbox::Request const& request);

    hv::GuestMemory const& memory_;
    std::shared_ptr<void const> const guest_ram_;
    std::vector<BootUnit> const units_;
    SharedState const state_;
    std::atomic<std::uint64_t> address_{0};
};

} // namespace devices::firmware
