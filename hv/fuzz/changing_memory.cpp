#include "hv/fuzz/changing_memory.hpp"

#include <algorithm>
#include <cstring>

namespace hv::fuzz {

namespace {

ChangingMemory* current = nullptr;

} // namespace

ChangingMemory::ChangingMemory()
{
    current = this;
}

ChangingMemory::~ChangingMemory()
{
    current = nullptr;
}

void ChangingMemory::change_after(unsigned loads, std::uint64_t change, unsigned times)
{
    loads_ = loads;
    change_ = change;
    times_ = times;
}

bool ChangingMemory::change_after(Input& input)
{
    auto const loads = input.byte();
    auto const change = input.value();
    auto const times = input.below(8);
    change_after(loads, change, times);
    return times != 0;
}

/// As far as a writer may come: up to one packet before the reader.
void ChangingMemory::write_full() const
{
    auto const [control, size, packet] = refilled_;
    std::uint32_t read = 0;
    std::memcpy(&read, control + sizeof read, sizeof read);
    auto const write = (read % size + size - packet) % size;
    std::memcpy(control, &write, sizeof write);
}

void ChangingMemory::before_load(std::byte* at, std::size_t size)
{
    if (refilled_.control != nullptr && at == refilled_.control) write_full();
    if (times_ == 0) return;
    auto const inside = [at](auto const& memory) {
        return at >= memory.data() && at < memory.data() + memory.size();
    };
    if (std::none_of(watched_.begin(), watched_.end(), inside)) return;
    if (loads_ > 0) {
        --loads_;
        return;
    }
    --times_;
    std::uint64_t word = 0;
    std::memcpy(&word, at, size);
    word ^= change_;
    std::memcpy(at, &word, size);
}

} // namespace hv::fuzz

// Called by what the compiler has put into the model, and only there: this is not instrumented itself.
extern "C" {
void __sanitizer_cov_load1(std::uint8_t* at);
void __sanitizer_cov_load2(std::uint16_t* at);
void __sanitizer_cov_load4(std::uint32_t* at);
void __sanitizer_cov_load8(std::uint64_t* at);
void __sanitizer_cov_load16(void* at);

void __sanitizer_cov_load1(std::uint8_t* at)
{
    if (hv::fuzz::current) hv::fuzz::current->before_load(reinterpret_cast<std::byte*>(at), 1);
}
void __sanitizer_cov_load2(std::uint16_t* at)
{
    if (hv::fuzz::current) hv::fuzz::current->before_load(reinterpret_cast<std::byte*>(at), 2);
}
void __sanitizer_cov_load4(std::uint32_t* at)
{
    if (hv::fuzz::current) hv::fuzz::current->before_load(reinterpret_cast<std::byte*>(at), 4);
}
void __sanitizer_cov_load8(std::uint64_t* at)
{
    if (hv::fuzz::current) hv::fuzz::current->before_load(reinterpret_cast<std::byte*>(at), 8);
}
void __sanitizer_cov_load16(void*) {}
}
