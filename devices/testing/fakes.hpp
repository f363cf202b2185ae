/// What the tests of devices put around a device: recorders, a hand-cranked clock, and a guest without manners.
#pragma once

#include "devices/pc/clock.hpp"
#include "devices/pc/port_io.hpp"
#include "devices/pc/power_events.hpp"
#include "devices/pc/serial_sink.hpp"

#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <random>
#include <string>
#include <utility>

namespace devices::testing {

struct RecordedLine : IrqLine {
    bool level = false;
    unsigned rises = 0;
    unsigned calls = 0;

    void set(bool asserted) override
    {
        ++calls;
        if (asserted && !level) ++rises;
        level = asserted;
    }
};

struct RecordedSink : SerialSink {
    std::string text;
    unsigned drained = 0;
    std::function<void()> on_drained;

    void write(std::span<std::byte const> data) override
    {
        for (auto const b : data)
            text.push_back(static_cast<char>(b));
    }

    void input_drained() override
    {
        ++drained;
        if (on_drained) on_drained();
    }
};

/// Stands still until a test moves it, and then calls back at each deadline on the way.
class HandClock : public Clock {
  public:
    explicit HandClock(std::chrono::nanoseconds start = {}) : now_{start} {}

    [[nodiscard]] std::chrono::nanoseconds now() const override { return now_; }
    void on_deadline(std::function<void()> callback) override { callback_ = std::move(callback); }
    void arm(std::chrono::nanoseconds deadline) override { deadline_ = deadline; }
    void disarm() override { deadline_.reset(); }

    void advance(std::chrono::nanoseconds by)
    {
        auto const end = now_ + by;
        while (deadline_ && *deadline_ <= end) {
            now_ = std::max(now_, *deadline_);
            deadline_.reset();
            ++calls;
            callback_();
        }
        now_ = end;
    }

    [[nodiscard]] std::optional<std::chrono::nanoseconds> deadline() const { return deadline_; }

    unsigned calls = 0;

  private:
    std::chrono::nanoseconds now_;
    std::function<void()> callback_;
    std::optional<std::chrono::nanoseconds> deadline_;
};

struct RecordedPower : PowerEvents {
    unsigned offs = 0;
    unsigned resets = 0;

    void power_off() override { ++offs; }
    void reset() override { ++resets; }
};

/// Reads and writes of every size at offsets from 0 to twice `ports`, the same ones on each run. `between` runs after
/// each of them.
template <typename Between>
void hammer(PortDevice& device, std::uint16_t ports, Between between, unsigned accesses = 20'000)
{
    std::mt19937 random{4711};
    for (unsigned i = 0; i < accesses; ++i) {
        auto const offset = static_cast<std::uint16_t>(random() % (ports * 2UL));
        auto const size = 1U << (random() % 3);
        auto const value = static_cast<std::uint32_t>(random());
        if (random() % 2) {
            device.write(offset, size, value);
        } else {
            static_cast<void>(device.read(offset, size));
        }
        between();
    }
}

} // namespace devices::testing
