/// A monitor port, and its page as a guest uses it.
#pragma once

#include "hv/abi/monitor.hpp"
#include "hv/abi/port.hpp"
#include "hv/testing/world.hpp"

#include <cstdint>

namespace hv::testing {

[[nodiscard]] inline abi::PortInfo monitor_port(std::uint64_t gpa)
{
    return {
        abi::PortType::Monitor, 0, static_cast<std::uint32_t>(gpa), static_cast<std::uint32_t>(gpa >> 32), 0, 0, 0};
}

/// A monitor page as a guest sees it, touched by atomics only.
class GuestMonitorPage {
  public:
    GuestMonitorPage(TestGuest const& guest, std::uint64_t gpa)
        : page_{*reinterpret_cast<abi::MonitorPage*>(guest.ram.get() + gpa)}
    {}

    void enable(std::uint32_t groups) const { store(page_.trigger_state, groups); }
    [[nodiscard]] bool dozes() const { return (load(page_.trigger_state) & abi::monitor_disabled) != 0; }
    void describe(unsigned trigger, std::uint32_t connection, std::uint16_t flag, std::uint16_t latency_100ns) const
    {
        store(page_.latency[trigger / 32][trigger % 32], latency_100ns);
        auto& parameter = page_.parameter[trigger / 32][trigger % 32];
        store(reinterpret_cast<std::uint64_t&>(parameter), connection | std::uint64_t{flag} << 32);
    }
    /// Pending on, Armed off, as §14.8.9.1 wants it.
    void trigger(unsigned n) const
    {
        auto& word = page_.trigger_group[n / 32];
        auto const bit = std::uint64_t{1} << n % 32;
        auto seen = load(word);
        while (!__atomic_compare_exchange_n(&word, &seen, (seen | bit) & ~(bit << 32), false, __ATOMIC_SEQ_CST,
                                            __ATOMIC_SEQ_CST)) {
        }
    }
    [[nodiscard]] bool pending(unsigned n) const { return (load(page_.trigger_group[n / 32]) >> n % 32 & 1) != 0; }
    [[nodiscard]] std::uint64_t group(unsigned n) const { return load(page_.trigger_group[n]); }
    void set_group(unsigned n, std::uint64_t word) const { store(page_.trigger_group[n], word); }

    [[nodiscard]] abi::MonitorPage& raw() const { return page_; }

  private:
    template <typename Word>
    static Word load(Word const& word)
    {
        return __atomic_load_n(&word, __ATOMIC_SEQ_CST);
    }
    template <typename Word>
    static void store(Word& to, Word word)
    {
        __atomic_store_n(&to, word, __ATOMIC_SEQ_CST);
    }

    abi::MonitorPage& page_;
};

} // namespace hv::testing
