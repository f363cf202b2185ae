#include "vmm/machine/disks.hpp"

#include "vmm/base/user_error.hpp"
#include "vmm/control/commands/commands.hpp"
#include "vmm/options/option_values.hpp"

#include <charconv>
#include <nlohmann/json.hpp>

namespace vmm::control {

namespace {

unsigned number(std::string const& name, std::string const& text)
{
    unsigned value = 0;
    auto const [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc{} || end != text.data() + text.size())
        throw UserError{name + ": write a number, as disk-add has answered it"};
    return value;
}

} // namespace

void disk_add(Call& call)
{
    auto const disk = parse_disk("image", call.arguments.take("image"));
    call.arguments.refuse_rest();
    call.run.permit(disk);
    call.guest->disks().add_later(
        disk,
        [reply = call.reply](Disks::Place place) {
            reply.answer({{"controller", place.controller}, {"lun", place.lun}});
        },
        [reply = call.reply](std::string const& why) { reply.fail(why); });
}

void disk_remove(Call& call)
{
    Disks::Place const place{number("controller", call.arguments.take("controller")),
                             number("lun", call.arguments.take("lun"))};
    call.arguments.refuse_rest();
    call.guest->disks().remove(place);
    call.reply.answer(nlohmann::json::object());
}

} // namespace vmm::control
