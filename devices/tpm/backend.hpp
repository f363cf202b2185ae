/// What carries out the commands of a guest's TPM 2.0, out of the way of its processors.
#pragma once

#include "hv/base/inspect.hpp"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

namespace devices::tpm {

/// Of a command or a response: what lies between the registers of the interface and the end of their page (crb.hpp),
/// and the least that libtpms wants.
inline constexpr std::size_t most_bytes = 3968;

/// What every command and response begins with (TCG TPM 2.0 Library, part 1, §18; big-endian): a tag of two bytes,
/// the size of it all, and a code, both of four.
inline constexpr std::size_t header_bytes = 10;
inline constexpr std::size_t size_offset = 2;
inline constexpr std::size_t code_offset = 6;
inline constexpr std::size_t number_bytes = 4; ///< of the last two

/// Whoever waits for a response. It is kept until it has come.
class Waiter {
  public:
    Waiter() = default;
    Waiter(Waiter const&) = delete;
    Waiter& operator=(Waiter const&) = delete;
    virtual ~Waiter() = default;

    /// On a thread of the backend's. `response` is empty when the TPM has failed, and otherwise as long as its header
    /// says: from header_bytes to most_bytes.
    virtual void answered(std::span<std::byte const> response) noexcept = 0;
};

/// Outlives the machines of a guest, one after the other. Members are called from any thread and wait for nothing.
class Backend {
  public:
    Backend() = default;
    Backend(Backend const&) = delete;
    Backend& operator=(Backend const&) = delete;
    virtual ~Backend() = default;

    /// The machine begins anew, and the TPM with it, before it carries out what is submitted from now on. Nobody
    /// hears of what was submitted before and has not begun.
    virtual void reset() = 0;

    /// A command, as long as its header says, header_bytes to most_bytes. One at a time.
    virtual void submit(std::vector<std::byte> command, std::shared_ptr<Waiter> waiter) = 0;

    virtual void inspect(hv::Inspector& inspector) const = 0;
};

} // namespace devices::tpm
