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

void HeartbeatService::ready(DeferredCalls&)
{
    pulse_.beats = 0;
    pulse_.missed = 0;
    pulse_.applications = Applications::Unknown;
    beat();
    tick_after(period);
}

void HeartbeatService::tick(DeferredCalls&)
{
    if (waits_for_answer())
        pulse_.missed = std::min(pulse_.missed + 1, lost_after);
    else
        beat();
    tick_after(period);
}

void HeartbeatService::beat()
{
    ic::Heartbeat message{};
    message.number = ++pulse_.number;
    if (!ask(std::as_bytes(std::span{&message, 1}))) pulse_.missed = std::min(pulse_.missed + 1, lost_after);
}

void HeartbeatService::answered(Answer const& answer, DeferredCalls&)
{
    std::uint64_t number = 0;
    if (!answer.read(number) || number != pulse_.number + 1) return;
    pulse_.number = number;
    ++pulse_.beats;
    pulse_.missed = 0;
    std::uint32_t state = 0;
    if (version() >= applications_since && answer.read(state, offsetof(ic::Heartbeat, application_state)))
        pulse_.applications = state <= 3 ? Applications{state} : Applications::Unknown;
}

HeartbeatService::Status HeartbeatService::status() const
{
    std::scoped_lock const lock{mutex()};
    return current();
}

HeartbeatService::Status HeartbeatService::current() const
{
    auto const state = !is_ready() ? State::NoContact : pulse_.missed >= lost_after ? State::Lost : State::Ok;
    return {state, pulse_.applications, pulse_.beats};
}

void HeartbeatService::inspect_more(hv::Inspector& inspector) const
{
    auto const now = current();
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
