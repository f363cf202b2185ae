/// What the calls about children that a partition makes ask of the world. The VMM makes them machines over the
/// parent's memory; unit tests hand in a recorder.
#pragma once

#include "hv/abi/types.hpp"
#include "hv/base/guest_memory.hpp"
#include "hv/base/interfaces.hpp"

#include <cstdint>
#include <memory>
#include <span>

namespace hv {

/// How many children a partition may have at once, and how many VPs these may have together.
struct ChildLimits {
    unsigned partitions = 0;
    unsigned vps = 0;
};

/// The machine of one child. What it hands out lives as long as it does.
class ChildMachine {
  public:
    ChildMachine() = default;
    ChildMachine(ChildMachine const&) = delete;
    ChildMachine& operator=(ChildMachine const&) = delete;
    virtual ~ChildMachine() = default;

    [[nodiscard]] virtual GuestMemory const& memory() const = 0;
    [[nodiscard]] virtual Clock const& clock() const = 0;
    [[nodiscard]] virtual InterruptSink& interrupts() = 0;
    [[nodiscard]] virtual MachineControl& control() = 0;
};

/// What makes children of one partition. From any VP's thread of it, with no lock of the model held.
class ChildHost {
  public:
    ChildHost() = default;
    ChildHost(ChildHost const&) = delete;
    ChildHost& operator=(ChildHost const&) = delete;
    virtual ~ChildHost() = default;

    [[nodiscard]] virtual ChildLimits limits() const = 0;
    /// nullptr when the host has no room for one. It may outlive this object.
    [[nodiscard]] virtual std::unique_ptr<ChildMachine> create() = 0;

    /// Takes pages of RAM, by their numbers, from the parent: it reaches them no more, nor does anybody who looks
    /// them up in its memory. All of them, or false and none, when the host can split the parent's memory no further.
    [[nodiscard]] virtual bool hide(std::span<std::uint64_t const> pages) = 0;
    /// Gives back what was taken, filled with zeros.
    virtual void show(std::span<std::uint64_t const> pages) = 0;
};

} // namespace hv
