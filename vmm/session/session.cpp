#include "vmm/session/session.hpp"

#include "devices/base/os_error.hpp"
#include "vmm/base/user_error.hpp"
#include "vmm/control/command.hpp"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <csignal>
#include <utility>

namespace vmm {

namespace {

/// What somebody hears who launched several guests: which of them it is about.
std::string about(GuestOptions const& options, std::string const& what)
{
    return options.name.empty() ? what : options.designation() + ": " + what;
}

template <typename... Handlers>
struct Overloaded : Handlers... {
    using Handlers::operator()...;
};

} // namespace

Session::Session(Hypervisor const& hypervisor, RunOptions const& options, Confinement confinement, TraceLog* trace,
                 GuestHelpers const& helpers, Say say)
    : say_{std::move(say)},
      confinement_{std::move(confinement)},
      monitor_timer_{loop_.io(), registry_.monitors()},
      standard_output_{loop_.io()},
      signals_{loop_.io(), SIGINT, SIGTERM}
{
    Guest::World const world{loop_, standard_output_, hypervisor, registry_, trace, events_, opening_, helpers};
    for (auto const& guest : options.guests) {
        try {
            guests_.push_back(std::make_unique<Guest>(world, guests_.size(), guest));
        } catch (std::exception const& e) {
            throw UserError{about(guest, devices::os_error(e))};
        }
    }
    if (!options.control.empty()) open_control(options.control);
}

Session::~Session()
{
    loop_.stop();
}

int Session::run()
{
    wait_for_signal();
    loop_.start([this](std::string const& why) { events_.push(LoopFailed{why}); });
    try {
        build_all();
    } catch (UserError const&) {
        if (!opening_.stop_requested()) throw;
        spdlog::info("stopped while a disk was being opened");
        return exit_status({Outcome::Kind::Forced, first_signal_.load(), {}});
    }
    for (auto const& guest : guests_) {
        if (auto const path = guest->pty_path(); !path.empty()) say_(about(guest->options(), "console on " + path));
        guest->start_console();
    }
    confinement_.close();
    settle();
    while (!all_ended()) {
        handle(events_.take());
        settle();
    }
    return status_;
}

/// In the order of the file, so that partition IDs are too. A parent may come after its child there.
void Session::build_all()
{
    for (auto const& guest : guests_) {
        try {
            guest->build(parent_of(*guest));
        } catch (std::exception const& e) {
            throw UserError{about(guest->options(), devices::os_error(e))};
        }
    }
    for (auto const& guest : guests_)
        registry_.set_parent(*guest->partition(), parent_of(*guest));
}

hv::PartitionId Session::parent_of(Guest const& guest) const
{
    auto const* const parent = named(guest.options().parent);
    return parent && parent->partition() ? parent->partition()->id() : hv::PartitionRegistry::root_id;
}

Guest const* Session::named(std::string const& name) const
{
    if (name.empty()) return nullptr;
    auto const found = std::ranges::find(guests_, name, [](auto const& guest) { return guest->options().name; });
    return found == guests_.end() ? nullptr : found->get();
}

/// Commands are executed where guests begin and end, so that none does meanwhile.
void Session::open_control(std::string const& path)
{
    control_.emplace(loop_.io(), path, [this](control::Request request, control::Reply reply) {
        events_.push(Task{[this, request = std::move(request), reply = std::move(reply)] {
            control::execute({guests_, registry_, confinement_.permit}, request, reply);
        }});
    });
    control_->start();
}

void Session::wait_for_signal()
{
    signals_.async_wait([this](boost::system::error_code const& error, int number) {
        if (error) return;
        if (!opening_.stop_requested()) first_signal_.store(number);
        opening_.request_stop(); // the main thread may be waiting for a disk's server
        events_.push(SignalCame{number});
        for (auto const& guest : guests_) { // nobody takes events when all guests have ended
            if (flushing_) guest->abandon_console();
        }
        wait_for_signal();
    });
}

void Session::handle(RunEvent const& event)
{
    std::visit(Overloaded{
                   [this](GuestEnded const& ended) { on_ended(ended); },
                   [this](GuestCrashed const& crashed) { on_crashed(crashed); },
                   [this](GuestReady const& ready) { guests_[ready.guest]->set_ready(); },
                   [this](GuestParked const& parked) { guests_[parked.guest]->on_parked(parked.pause); },
                   [this](UserQuits) {
                       end_all({Outcome::Kind::Quit, 0, {}});
                   },
                   [this](SignalCame signal) { on_signal(signal.number); },
                   [](Task const& task) { task.run(); },
                   [this](LoopFailed const& failed) {
                       say_(failed.why);
                       end_all({Outcome::Kind::HostError, 0, {}});
                   },
               },
               event);
}

void Session::on_ended(GuestEnded const& event)
{
    auto& guest = *guests_[event.guest];
    if (guest.state() == Guest::State::Ended) return;
    auto const outcome = guest.settled(event.outcome);
    bool const restarts =
        outcome.kind == Outcome::Kind::Reset && guest.options().on_reboot == OnReboot::Restart && !ending_;
    if (!restarts) return end(guest, outcome);
    try {
        guest.restart(parent_of(guest));
    } catch (std::exception const& e) {
        end(guest, {Outcome::Kind::HostError, 0, devices::os_error(e)});
    }
}

/// The guest goes on, which may be to save a dump, to reboot, or to stand still until the user ends it.
void Session::on_crashed(GuestCrashed const& event)
{
    auto& guest = *guests_[event.guest];
    status_ = std::max(status_, guest_died);
    if (guest.note_crash()) say_(event.text + "it goes on: see --on-crash in porthole(1)");
}

void Session::on_signal(int number)
{
    if (std::exchange(ending_, true)) return end_all({Outcome::Kind::Forced, number, {}});
    spdlog::warn(guests_.size() == 1 ? "asked the guest to power off; a second signal ends it at once"
                                     : "asked all guests to power off; a second signal ends them at once");
    for (auto const& guest : guests_) {
        if (guest->state() == Guest::State::Waiting) end(*guest, {Outcome::Kind::PowerOff, 0, {}});
        if (guest->state() != Guest::State::Running) continue;
        if (guest->pause_state() != Guest::Pause::No) guest->resume(); // to see the button
        guest->press_power_button();
    }
}

void Session::settle()
{
    for (bool changed = true; changed;) {
        changed = false;
        for (auto const& guest : guests_) {
            if (guest->state() != Guest::State::Waiting) continue;
            if (auto const* const lost = hopeless_wait(*guest)) {
                end(*guest, {Outcome::Kind::HostError, 0,
                             "not started: " + lost->options().designation() + " ended before it was ready"});
                changed = true;
            } else if (may_start(*guest)) {
                changed = !start(*guest) || changed;
            }
        }
    }
}

/// False when it has ended instead, because this host gives no thread any more.
bool Session::start(Guest& guest)
{
    try {
        guest.start();
        return true;
    } catch (std::exception const& e) {
        end(guest, {Outcome::Kind::HostError, 0, "not started: " + devices::os_error(e)});
        return false;
    }
}

bool Session::may_start(Guest const& guest) const
{
    return std::ranges::all_of(guest.options().after, [this](auto const& name) { return named(name)->is_ready(); });
}

Guest const* Session::hopeless_wait(Guest const& guest) const
{
    for (auto const& name : guest.options().after) {
        auto const* const awaited = named(name);
        if (awaited->state() == Guest::State::Ended && !awaited->is_ready()) return awaited;
    }
    return nullptr;
}

void Session::end(Guest& guest, Outcome outcome)
{
    guest.end();
    if (!all_ended()) return report(guest, outcome);

    // Before the last report, so that it comes after everything that the guests have printed.
    flushing_ = true;
    for (auto const& other : guests_) {
        auto const lost = other->finish_console();
        if (lost.empty() || outcome.kind == Outcome::Kind::HostError) continue;
        if (other.get() == &guest)
            outcome = {Outcome::Kind::HostError, 0, lost};
        else
            report(*other, {Outcome::Kind::HostError, 0, lost});
    }
    report(guest, outcome);
}

void Session::end_all(Outcome const& outcome)
{
    ending_ = true;
    for (auto const& guest : guests_) {
        if (guest->state() != Guest::State::Ended) end(*guest, outcome);
    }
}

void Session::report(Guest const& guest, Outcome const& outcome)
{
    status_ = std::max(status_, exit_status(outcome));
    spdlog::info("{} ended: {}", guest.options().designation(), describe(outcome));
    auto text = outcome.text;
    while (text.ends_with('\n'))
        text.pop_back();
    if (text.empty()) return;
    // A death's text names the guest itself.
    say_(outcome.kind == Outcome::Kind::Died ? text : about(guest.options(), text));
}

bool Session::all_ended() const
{
    return std::ranges::all_of(guests_, [](auto const& g) { return g->state() == Guest::State::Ended; });
}

} // namespace vmm
