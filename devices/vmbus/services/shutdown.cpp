#include "devices/vmbus/services/shutdown.hpp"

#include <array>

namespace devices::vmbus {

namespace {

using ic::Version;

constexpr Version reboot_since{3, 1};
constexpr Version hibernate_since{3, 2};
constexpr std::array<Version, 4> versions{{{1, 0}, {3, 0}, reboot_since, hibernate_since}};

/// For a guest that shows its users how long they have got.
constexpr std::uint32_t seconds_to_go_down = 60;

Version needed_for(ShutdownService::What what)
{
    switch (what) {
    case ShutdownService::What::Reboot: return reboot_since;
    case ShutdownService::What::Hibernate: return hibernate_since;
    case ShutdownService::What::PowerOff: break;
    }
    return versions.front();
}

std::uint32_t flags_for(ShutdownService::What what)
{
    switch (what) {
    case ShutdownService::What::Reboot: return ic::shutdown_flags::reboot;
    case ShutdownService::What::Hibernate: return ic::shutdown_flags::hibernate;
    case ShutdownService::What::PowerOff: break;
    }
    return 0;
}

constexpr ServiceKind kind{"shutdown", hv::vmbus::guid("0e0b6031-5213-4934-818b-38d90ced39db"),
                           hv::vmbus::guid("b6650ff7-33bc-4840-8048-e0676786f393"), ic::MessageType::Shutdown,
                           versions};

} // namespace

ShutdownService::ShutdownService(hv::vmbus::Executor& executor) : Service{kind, executor} {}

void ShutdownService::request(What what, Callback done)
{
    DeferredCalls deferred;
    auto const held = line().lock();
    auto& asked = asked_.with(*held);
    auto const fail = [&](Result result) { deferred.add([done, result] { done(result); }); };
    if (!held->is_ready() || asked.done) return fail(Result::NotReady);
    if (held->version() < needed_for(what)) return fail(Result::NotSupported);

    ic::Shutdown message{};
    message.reason = ic::shutdown_planned;
    message.timeout_seconds = seconds_to_go_down;
    message.flags = flags_for(what) | ic::shutdown_flags::force;
    if (!ask(*held, std::as_bytes(std::span{&message, 1}))) return fail(Result::NotReady);
    asked.done = std::move(done);
    executor().run_after(answer_time, [weak = weak_from_this(), number = ++asked.state.request] {
        auto const self = std::static_pointer_cast<ShutdownService>(weak.lock());
        if (!self) return;
        DeferredCalls late;
        auto const guard = self->line().lock();
        auto& present = self->asked_.with(*guard);
        if (number == present.state.request) finish(present, Result::TimedOut, late);
    });
}

void ShutdownService::answered(Line& line, Answer const& answer, DeferredCalls& deferred)
{
    finish(asked_.with(line), answer.status == ic::status::success ? Result::Accepted : Result::Refused, deferred);
}

void ShutdownService::closed(Line& line, DeferredCalls& deferred)
{
    finish(asked_.with(line), Result::Gone, deferred);
}

void ShutdownService::finish(Asked& asked, Result result, DeferredCalls& deferred)
{
    if (!asked.done) return;
    deferred.add([done = std::move(asked.done), result] { done(result); });
    asked.done = nullptr;
}

} // namespace devices::vmbus
