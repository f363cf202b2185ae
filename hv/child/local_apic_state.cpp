#include "hv/child/local_apic_state.hpp"

#include <cstdint>
#include <cstring>

namespace hv {

namespace {

constexpr std::size_t id = 0x20;
constexpr std::size_t version = 0x30;
constexpr std::size_t in_service = 0x100;
constexpr std::size_t trigger_mode = 0x180;
constexpr std::size_t requested = 0x200;
constexpr std::size_t register_distance = 0x10;

/// Calls `step` with each register that can be put back: where it lies, and its field.
template <typename State, typename Step>
void for_each_register(State& state, Step const& step)
{
    step(0xC0, state.remote_read);
    step(0xD0, state.logical_destination);
    step(0xE0, state.destination_format);
    step(0xF0, state.spurious);
    for (std::size_t n = 0; n < state.in_service.size(); ++n) {
        step(in_service + n * register_distance, state.in_service[n]);
        step(trigger_mode + n * register_distance, state.trigger_mode[n]);
        step(requested + n * register_distance, state.requested[n]);
    }
    step(0x280, state.error_status);
    step(0x2F0, state.machine_check);
    step(0x300, state.command_low);
    step(0x310, state.command_high);
    step(0x320, state.timer);
    step(0x330, state.thermal);
    step(0x340, state.performance);
    step(0x350, state.lint0);
    step(0x360, state.lint1);
    step(0x370, state.error);
    step(0x380, state.initial_count);
    step(0x390, state.current_count);
    step(0x3E0, state.divide);
}

} // namespace

abi::LocalApicState state_of(LocalApicPage const& page)
{
    abi::LocalApicState state{};
    auto const read = [&](std::size_t offset, std::uint32_t& field) {
        std::memcpy(&field, page.data() + offset, sizeof field);
    };
    read(id, state.id);
    read(version, state.version);
    for_each_register(state, read);
    return state;
}

void put_state(LocalApicPage& page, abi::LocalApicState const& state)
{
    for_each_register(state, [&](std::size_t offset, std::uint32_t const& field) {
        std::memcpy(page.data() + offset, &field, sizeof field);
    });
}

} // namespace hv
