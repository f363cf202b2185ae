#include "hv/partition/partition.hpp"
#include "vmm/control/commands/commands.hpp"
#include "vmm/machine/guest_services.hpp"

#include <spdlog/fmt/fmt.h>

#include <nlohmann/json.hpp>

namespace vmm::control {

namespace {

std::string_view state_of(Guest const& guest)
{
    auto const pause = guest.pause_state();
    switch (guest.state()) {
    case Guest::State::Waiting: return "waiting";
    case Guest::State::Running:
        return pause == Guest::Pause::No ? "running" : pause == Guest::Pause::Asked ? "pausing" : "paused";
    case Guest::State::Ended: return "ended";
    }
    return "";
}

/// What it has now is its memory.
void add_dynamic_memory(nlohmann::json& status, GuestBalloon const& balloon, std::uint64_t most)
{
    auto const now = balloon.status();
    status["memory"] = now.has;
    nlohmann::json more{{"driver", now.listens}, {"max", most}, {"wanted", now.wanted}};
    if (now.has_reported) {
        more["available"] = now.available;
        more["committed"] = now.committed;
        more["pressure"] = now.pressure_percent;
    }
    status["dynamic-memory"] = std::move(more);
}

std::string pressure_of(nlohmann::json const& guest)
{
    auto const dynamic = guest.find("dynamic-memory");
    if (dynamic == guest.end() || !dynamic->contains("pressure")) return "-";
    return fmt::format("{} %", dynamic->at("pressure").get<unsigned>());
}

nlohmann::json status_of(Guest const& guest)
{
    auto const& options = guest.options();
    nlohmann::json status{{"name", options.name},
                          {"state", state_of(guest)},
                          {"ready", guest.is_ready()},
                          {"cpus", options.cpus},
                          {"memory", options.memory}};
    if (guest.has_crashed()) status["crashed"] = true;
    if (auto const* const tpm = guest.tpm()) status["tpm"] = tpm->works() ? "works" : "lost";
    if (auto const* const partition = guest.partition()) status["partition"] = partition->id().value;
    if (guest.state() != Guest::State::Running) return status;
    status["heartbeat"] = to_string(guest.services().heartbeat().status().state);
    if (auto const* const balloon = guest.balloon()) add_dynamic_memory(status, *balloon, options.most_memory);
    return status;
}

} // namespace

void status(Call& call)
{
    call.arguments.refuse_rest();
    auto guests = nlohmann::json::array();
    for (auto const& guest : call.run.guests) {
        if (!call.guest || call.guest == guest.get()) guests.push_back(status_of(*guest));
    }
    call.reply.answer({{"version", PORTHOLE_VERSION}, {"guests", std::move(guests)}});
}

std::string print_status(nlohmann::json const& answer)
{
    constexpr auto row = "{:<20} {:<8} {:>9} {:>5} {:>10} {:>8}\n";
    auto text = fmt::format(row, "guest", "state", "partition", "cpus", "memory", "pressure");
    for (auto const& guest : answer.at("guests")) {
        auto const name = guest.at("name").get<std::string>();
        auto const partition =
            guest.contains("partition") ? std::to_string(guest["partition"].get<std::uint64_t>()) : "-";
        text += fmt::format(row, name.empty() ? "(the guest)" : name, guest.at("state").get<std::string>(), partition,
                            guest.at("cpus").get<unsigned>(),
                            fmt::format("{} MiB", guest.at("memory").get<std::uint64_t>() >> 20), pressure_of(guest));
    }
    return text;
}

} // namespace vmm::control
