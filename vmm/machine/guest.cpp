#include "vmm/machine/guest.hpp"

#include "vmm/firmware/firmware.hpp"
#include "vmm/host/random_guid.hpp"
#include "vmm/machine/vmbus_devices.hpp"

#include <spdlog/fmt/fmt.h>
#include <spdlog/spdlog.h>

#include <chrono>
#include <utility>

namespace vmm {

namespace {

/// How long devices may take to come to rest. It is the host's storage that may take long.
constexpr std::chrono::seconds rest_limit{5};

} // namespace

Guest::Guest(World const& world, std::size_t index, GuestOptions const& options)
    : world_{world},
      index_{index},
      options_{options},
      console_{world.loop.io(),
               world.standard_output,
               options.serial,
               options.name,
               {.receive = [this](std::span<std::byte const> input) { return receive(input); },
                .quit =
                    [this] {
                        world_.opening.request_stop();
                        world_.events.push(UserQuits{});
                    },
                .output_lost =
                    [this](std::string const& why) {
                        world_.events.push(GuestEnded{index_, {Outcome::Kind::HostError, 0, why}});
                    }}},
      rest_limit_{world.loop.io()},
      generation_{random_guid()}
{
    if (world.trace) trace_.emplace(*world.trace, options.name);
    if (options.ready.kind == ReadySignal::Kind::Text) text_.emplace(options.ready.text);
    if (options.display.kind != DisplayOptions::Kind::None) display_.emplace(options);
    if (options.starts_by_firmware()) firmware_ = std::make_shared<firmware::Firmware>(options);
    if (!options.tpm.empty())
        tpm_ = std::make_shared<devices::tpm::Swtpm>(
            world.helpers.tpm(index),
            [designation = options.designation()](auto const& text) { spdlog::warn("{}: {}", designation, text); });
}

Guest::~Guest()
{
    machine_.reset();
}

void Guest::build(hv::PartitionId parent)
{
    if (display_) display_->start();
    machine_ =
        std::make_unique<Machine>(Machine::World{.io = world_.loop.io(),
                                                 .hypervisor = world_.hypervisor,
                                                 .registry = world_.registry,
                                                 .serial = *this,
                                                 .trace = trace_ ? &*trace_ : nullptr,
                                                 .opening = world_.opening.get_token(),
                                                 .ended =
                                                     [this](Outcome outcome) {
                                                         world_.events.push(GuestEnded{index_, std::move(outcome)});
                                                     },
                                                 .crashed =
                                                     [this](std::string text) {
                                                         world_.events.push(GuestCrashed{index_, std::move(text)});
                                                     },
                                                 .synic_enabled =
                                                     [this] {
                                                         if (options_.ready.kind == ReadySignal::Kind::Synic)
                                                             announce();
                                                     },
                                                 .start_user_network = world_.helpers.user_network(index_),
                                                 .generation = generation_,
                                                 .firmware = firmware_,
                                                 .tpm = tpm_,
                                                 .display = display_ ? &*display_ : nullptr},
                                  options_, parent);
}

hv::vmbus::Guid Guest::change_generation()
{
    generation_ = random_guid();
    machine_->change_generation(generation_);
    return generation_;
}

GuestServices& Guest::services() const
{
    return machine_->vmbus().services();
}

void Guest::start()
{
    state_ = State::Running;
    std::uint64_t suppressed = 0; // a guest may restart as often as it likes
    if (starts_logged_.admit(suppressed))
        spdlog::info("{} starts as partition {}", options_.designation(), partition()->id().value);
    world_.loop.run_and_wait([this] { input_target_ = machine_.get(); });
    machine_->start();
}

void Guest::restart(hv::PartitionId parent)
{
    give_up_machine();
    crashed_ = false;
    console_.resume_waiting();
    {
        std::lock_guard const guard{text_lock_};
        if (text_) text_->reset();
    }
    if (display_) display_->reset();
    build(parent);
    start();
}

void Guest::end()
{
    state_ = State::Ended;
    give_up_machine();
    console_.end_line();
}

Outcome Guest::settled(Outcome outcome)
{
    if (outcome.kind != Outcome::Kind::TripleFault) {
        triple_faults_.forget();
        return outcome;
    }
    outcome.kind = Outcome::Kind::Died;
    if (options_.triple_fault_policy() == OnTripleFault::End) return outcome;
    if (options_.on_reboot == OnReboot::Restart) {
        if (!triple_faults_.may_restart(machine_->running_for(), machine_->listens())) {
            outcome.text += fmt::format("  the {}th triple fault in a row within {} s of its start\n",
                                        TripleFaults::most_in_a_row, TripleFaults::soon.count());
            return outcome;
        }
        warn_limited(triple_faults_logged_, "{} was reset by a triple fault", options_.designation());
    }
    return {Outcome::Kind::Reset, 0, {}};
}

bool Guest::note_crash()
{
    crashed_ = true;
    std::uint64_t suppressed = 0; // a guest that restarts may crash as often as it likes
    return crashes_told_.admit(suppressed);
}

void Guest::pause(std::function<void(Pause, std::string_view)> done)
{
    pause_ = Pause::Asked;
    pause_done_ = std::move(done);
    machine_->pause([this, number = ++pauses_] { world_.events.push(GuestParked{index_, number}); });
}

void Guest::on_parked(std::uint64_t pause)
{
    if (pause_ != Pause::Asked || pause != pauses_) return;
    auto const state = machine_->stop_time() ? Pause::TimeStopped : Pause::TimeGoesOn;
    try {
        rest_limit_.expires_after(rest_limit);
        rest_limit_.async_wait([this, pause](boost::system::error_code const& error) {
            if (error) return;
            world_.events.push(Task{
                [this, pause] { fail_pause(pause, "the host does not answer what one of its disks is reading"); }});
        });
        machine_->quiesce(
            [this, pause, state] { world_.events.push(Task{[this, pause, state] { come_to_rest(pause, state); }}); });
    } catch (std::exception const& error) {
        fail_pause(pause, error.what());
    }
}

void Guest::come_to_rest(std::uint64_t pause, Pause state)
{
    if (pause_ == Pause::Asked && pause == pauses_) settle_pause(state);
}

void Guest::fail_pause(std::uint64_t pause, std::string_view why_not)
{
    if (pause_ != Pause::Asked || pause != pauses_) return;
    try {
        machine_->resume();
    } catch (std::exception const& error) {
        world_.events.push(GuestEnded{index_, {Outcome::Kind::HostError, 0, error.what()}});
    }
    settle_pause(Pause::No, why_not);
}

void Guest::resume()
{
    machine_->resume();
    settle_pause(Pause::No);
}

void Guest::settle_pause(Pause state, std::string_view why_not)
{
    pause_ = state;
    rest_limit_.cancel();
    if (auto const done = std::exchange(pause_done_, nullptr)) done(state, why_not);
}

void Guest::give_up_machine()
{
    settle_pause(Pause::No);
    console_.stop(); // no vCPU waits for a slow reader any longer
    if (!machine_) return;
    machine_->stop();
    world_.loop.run_and_wait([this] {
        input_target_ = nullptr;
        machine_->detach();
    });
    machine_.reset();
}

void Guest::write(std::span<std::byte const> data)
{
    if (announces_text(data)) announce();
    console_.write(data);
}

bool Guest::announces_text(std::span<std::byte const> data)
{
    if (options_.ready.kind != ReadySignal::Kind::Text || announced_.load(std::memory_order_relaxed)) return false;
    std::lock_guard const guard{text_lock_};
    return text_->feed(data);
}

void Guest::announce()
{
    if (!announced_.exchange(true)) world_.events.push(GuestReady{index_});
}

/// What is typed while the guest does not listen yet is lost, as on a real serial line; what comes from a pipe or a
/// file waits for the guest. Firmware polls, and so nobody can tell whether it listens.
std::size_t Guest::receive(std::span<std::byte const> input)
{
    if (!input_target_) return 0;
    bool const waits = !console_.is_interactive() && !options_.starts_by_firmware();
    if (waits && !input_target_->listens()) return 0;
    return input_target_->receive(input);
}

Disks& Guest::disks()
{
    return machine_->vmbus().disks();
}

} // namespace vmm
