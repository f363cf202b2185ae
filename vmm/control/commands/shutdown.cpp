#include "vmm/base/user_error.hpp"
#include "vmm/control/commands/commands.hpp"
#include "vmm/control/json_text.hpp"
#include "vmm/machine/guest_services.hpp"

#include <nlohmann/json.hpp>

namespace vmm::control {

namespace {

using devices::vmbus::ShutdownService;

std::string_view refusal(ShutdownService::Result result)
{
    using Result = ShutdownService::Result;
    switch (result) {
    case Result::Accepted: return "";
    case Result::Refused: return "the guest refuses";
    case Result::NotSupported: return "the guest's driver is too old for that";
    case Result::NotReady: return "no driver in the guest listens, or it is about to answer an earlier request";
    case Result::TimedOut: return "the guest did not answer";
    case Result::Gone: return "the guest stopped listening";
    }
    return "";
}

void press_power_button(Call const& call)
{
    call.guest->press_power_button();
    call.reply.answer({{"asked-by", "power-button"}});
}

} // namespace

/// By the integration service, or the ACPI power button where no driver listens to that. That the guest has powered
/// off shows in its status, or in the end of the run.
void shutdown(Call& call)
{
    using What = ShutdownService::What;
    auto const how = call.arguments.take_optional("how").value_or("power-off");
    call.arguments.refuse_rest();
    auto what = What::PowerOff;
    if (how == "reboot")
        what = What::Reboot;
    else if (how == "hibernate")
        what = What::Hibernate;
    else if (how != "power-off" && how != "power-button")
        throw UserError{"how: '" + printable(how) +
                        "' is not known: use power-off, reboot, hibernate or power-button"};

    auto& service = call.guest->services().shutdown();
    bool const by_button = how == "power-button" || (what == What::PowerOff && !service.listens());
    if (by_button) return press_power_button(call);
    service.request(what, [reply = call.reply](ShutdownService::Result result) {
        if (result == ShutdownService::Result::Accepted)
            reply.answer({{"asked-by", "shutdown-service"}});
        else
            reply.fail(std::string{refusal(result)});
    });
}

} // namespace vmm::control
