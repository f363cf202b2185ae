/// Guest memory that another VP changes between two reads, without another VP: the compiler calls
/// `__sanitizer_cov_load*` before each load of the instrumented model (-fsanitize-coverage=trace-loads), and there a
/// word of guest memory may become another. The same input makes the same changes.
#pragma once

#include "hv/fuzz/input.hpp"

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace hv::fuzz {

class ChangingMemory {
  public:
    ChangingMemory();
    ChangingMemory(ChangingMemory const&) = delete;
    ChangingMemory& operator=(ChangingMemory const&) = delete;
    ~ChangingMemory();

    /// Loads from there count.
    void watch(std::span<std::byte> memory) { watched_.push_back(memory); }
    /// No memory is watched any more: what was is gone.
    void forget() { watched_.clear(); }
    /// Every load after the next `loads` ones finds its bytes XORed with those of `change` first, `times` times.
    void change_after(unsigned loads, std::uint64_t change, unsigned times);
    /// The same as a target's input has it: `loads` in a byte, `change` as a value, `times` in a byte, modulo 8.
    /// False when that is 0: then a target may do something else.
    bool change_after(Input& input);

    /// A guest that refills a ring: whenever the host looks how far it has written, the ring is full again, of
    /// packets of that many bytes that lie in it already. `control` is the ring's control page, and `size` that of
    /// its data, a multiple of `packet_bytes`.
    void refill(std::byte* control, std::uint32_t size, std::uint32_t packet_bytes)
    {
        refilled_ = {control, size, packet_bytes};
    }
    void stop_refilling() { refilled_ = {}; }

    void before_load(std::byte* at, std::size_t size);

  private:
    struct RefilledRing {
        std::byte* control = nullptr;
        std::uint32_t size = 0;
        std::uint32_t packet_bytes = 0;
    };

    void write_full() const;

    RefilledRing refilled_;
    std::vector<std::span<std::byte>> watched_;
    unsigned loads_ = 0;
    unsigned times_ = 0;
    std::uint64_t change_ = 0;
};

} // namespace hv::fuzz
