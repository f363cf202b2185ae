#include "vmm/machine/session.hpp"

#include <spdlog/spdlog.h>

#include <csignal>
#include <utility>

namespace vmm {

Session::Session(KvmHost const& host, GuestOptions const& options, std::unique_ptr<hv::Tracer> tracer)
    : host_{host},
      options_{options},
      tracer_{std::move(tracer)},
      console_{io_,
               options.serial,
               {.receive = [this](std::span<std::byte const> input) { return receive(input); },
                .quit =
                    [this] {
                        end({Outcome::Kind::Quit, 0, {}});
                    },
                .output_lost =
                    [this](std::string const& why) {
                        end({Outcome::Kind::HostError, 0, why});
                    }}},
      signals_{io_, SIGINT, SIGTERM}
{}

Session::~Session()
{
    machine_.reset();
}

Outcome Session::run()
{
    wait_for_signal();
    console_.start();
    for (;;) {
        auto outcome = run_once();
        if (restarts_after(outcome)) {
            io_.restart();
            continue;
        }
        machine_.reset();
        auto const lost = console_.finish();
        if (!lost.empty() && outcome.kind != Outcome::Kind::HostError) return {Outcome::Kind::HostError, 0, lost};
        return outcome;
    }
}

Outcome Session::run_once()
{
    machine_.reset();
    outcome_.reset();
    asked_to_power_off_ = false;
    machine_ = std::make_unique<Machine>(
        Machine::World{io_, host_, registry_, *this, tracer_.get(), [this](Outcome o) { end(std::move(o)); }},
        options_);
    machine_->start();
    io_.run();
    auto outcome = taken_outcome();
    if (!restarts_after(outcome)) console_.stop(); // no output waits for a slow reader any longer
    machine_->stop();
    return outcome;
}

bool Session::restarts_after(Outcome const& outcome) const
{
    return outcome.kind == Outcome::Kind::Reset && options_.on_reboot == OnReboot::Restart;
}

Outcome Session::taken_outcome()
{
    std::lock_guard const guard{lock_};
    return outcome_.value_or(Outcome{Outcome::Kind::HostError, 0, "the event loop ended by itself"});
}

void Session::wait_for_signal()
{
    signals_.async_wait([this](boost::system::error_code const& error, int number) {
        if (error) return;
        on_signal(number);
        wait_for_signal();
    });
}

void Session::on_signal(int number)
{
    if (asked_to_power_off_ || !machine_) return end({Outcome::Kind::Forced, number, {}});
    asked_to_power_off_ = true;
    spdlog::warn("asked the guest to power off; a second signal ends it at once");
    machine_->press_power_button();
}

/// What is typed while the guest does not listen yet is lost, as on a real serial line; what comes from a pipe or a
/// file waits for the guest.
std::size_t Session::receive(std::span<std::byte const> input)
{
    if (!machine_) return 0;
    if (!console_.is_interactive() && !machine_->listens()) return 0;
    return machine_->receive(input);
}

void Session::end(Outcome outcome)
{
    std::lock_guard const guard{lock_};
    if (outcome_) return;
    outcome_ = std::move(outcome);
    io_.stop();
}

} // namespace vmm
