/// What a tracer is told. A partition without one pays a null check.
#pragma once

#include "hv/abi/hypercall.hpp"
#include "hv/abi/message.hpp"
#include "hv/abi/types.hpp"

#include <cstddef>
#include <cstdint>
#include <span>

namespace hv {

class Tracer {
  public:
    Tracer() = default;
    Tracer(Tracer const&) = delete;
    Tracer& operator=(Tracer const&) = delete;
    virtual ~Tracer() = default;

    /// `name` is the call's TLFS name, or nullptr for an unknown code; `input` is what was copied in, perhaps
    /// nothing.
    virtual void hypercall(VpIndex vp, abi::Control control, char const* name, std::span<std::byte const> input,
                           std::uint64_t result) = 0;
    virtual void msr_read(VpIndex vp, std::uint32_t msr, std::uint64_t value, bool ok) = 0;
    virtual void msr_write(VpIndex vp, std::uint32_t msr, std::uint64_t value, bool ok) = 0;

    /// What a VP's SynIC does with a message: into its slot at once, or behind others.
    enum class MessageStep { Delivered, Queued };
    virtual void message(VpIndex vp, Sint sint, abi::MessageHeader const& header, MessageStep step) = 0;
    /// `edge`: the flag was clear.
    virtual void event(VpIndex vp, Sint sint, unsigned flag, bool edge) = 0;
    virtual void interrupt(VpIndex vp, std::uint8_t vector, bool auto_eoi) = 0;
};

} // namespace hv
