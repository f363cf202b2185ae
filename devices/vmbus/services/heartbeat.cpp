#include "devices/vmbus/services/heartbeat.hpp"

#include <algorithm>
#include <array>

namespace devices::vmbus {

namespace {

constexpr ic::Version applications_since{3, 0};
constexpr std::array<ic::Version, 2> versions{{{1, 0}, applications_since}};

constexpr ServiceKind kind{"heartbeat", hv::vmbus::guid("57164f39-9115-4e78-ab55-382f3bd5422d"),
                           hv::vmbus::guid("fd149e91-82e0-4a7d-afa6-2a4166cbd7c0"), ic::MessageType::Heartbeat,
                           versions};

} // namespace

HeartbeatService::HeartbeatService(hv::vmbus::Executor& executor) : Service{kind, executor} {}

void HeartbeatService::ready(Line& line, DeferredCalls&)
{
    auto& pulse = pulse_.with(line);
    pulse.beats = 0;
    pulse.missed = 0;
    pulse.applications = Applications::Unknown;
    beat(line);
    tick_after(line, period);
}

void HeartbeatService::tick(Line& line, DeferredCalls&)
{
    auto& pulse = pulse_.with(line);
    if (line.waits_for_answer())
        pulse.missed = std::min(pulse.missed + 1, lost_after);
    else
        beat(line);
    tick_after(line, period);
}

void HeartbeatService::beat(Line& line)
{
    auto& pulse = pulse_.with(line);
    ic::Heartbeat message{};
    message.number = ++pulse.number;
    if (!ask(line, std::as_bytes(std::span{&message, 1}))) pulse.missed = std::min(pulse.missed + 1, lost_after);
}

void HeartbeatService::answered(Line& line, Answer const& answer, DeferredCalls&)
{
    auto& pulse = pulse_.with(line);
    std::uint64_t number = 0;
    if (!answer.read(number) || number != pulse.number + 1) return;
    pulse.number = number;
    ++pulse.beats;
    pulse.missed = 0;
    std::uint32_t state = 0;
    if (line.version() >= applications_since && answer.read(state, offsetof(ic::Heartbeat, application_state)))
        pulse.applications = state <= 3 ? Applications{state} : Applications::Unknown;
}

HeartbeatService::Status HeartbeatService::status() const
{
    return current(*line().lock());
}

HeartbeatService::Status HeartbeatService::current(Line const& line) const
{
    auto const& pulse = pulse_.with(line);
    auto const state = !line.is_ready() ? State::NoContact : pulse.missed >= lost_after ? State::Lost : State::Ok;
    return {state, pulse.applications, pulse.beats};
}

void HeartbeatService::inspect_more(Line const& line, hv::Inspector& inspector) const
{
    auto const now = current(line);
    inspector.text("heartbeat", to_string(now.state));
    inspector.text("applications", to_string(now.applications));
    inspector.number("beats", now.beats);
}

std::string_view to_string(HeartbeatService::State state)
{
    switch (state) {
    case HeartbeatService::State::NoContact: return "no contact";
    case HeartbeatService::State::Ok: return "ok";
    case HeartbeatService::State::Lost: return "lost";
    }
    return "";
}

std::string_view to_string(HeartbeatService::Applications applications)
{
    switch (applications) {
    case HeartbeatService::Applications::Unknown: return "unknown";
    case HeartbeatService::Applications::Healthy: return "healthy";
    case HeartbeatService::Applications::Critical: return "critical";
    case HeartbeatService::Applications::Stopped: return "stopped";
    }
    return "";
}

} // namespace devices::vmbus
