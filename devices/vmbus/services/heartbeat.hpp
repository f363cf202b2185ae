/// The heartbeat service: every two seconds, as Hyper-V does it, the guest shows that it is alive.
#pragma once

#include "devices/vmbus/services/service.hpp"

namespace devices::vmbus {

class HeartbeatService final : public Service {
  public:
    static constexpr std::chrono::seconds period{2};
    static constexpr unsigned lost_after = 3; ///< periods without an answer

    enum class State {
        NoContact, ///< no driver in the guest listens
        Ok,
        Lost, ///< the guest has not answered for `lost_after` periods
    };

    /// What the guest says of itself, from version 3 on.
    enum class Applications : std::uint32_t { Unknown = 0, Healthy = 1, Critical = 2, Stopped = 3 };

    struct Status {
        State state;
        Applications applications;
        std::uint64_t beats; ///< answers since the guest opened the channel
    };

    explicit HeartbeatService(hv::vmbus::Executor& executor);

    [[nodiscard]] Status status() const;

  private:
    void ready(Line& line, DeferredCalls&) override;
    void answered(Line& line, Answer const& answer, DeferredCalls&) override;
    void closed(Line& line, DeferredCalls&) override { pulse_.with(line).missed = 0; }
    void tick(Line& line, DeferredCalls&) override;
    void inspect_more(Line const& line, hv::Inspector& inspector) const override;
    void visit_more(Line& line, hv::StateVisitor& visitor) override
    {
        hv::visit(visitor, "pulse", pulse_.with(line));
    }
    [[nodiscard]] Status current(Line const& line) const;
    void beat(Line& line);

    struct Pulse {
        std::uint64_t number = 0; ///< of the last question
        std::uint64_t beats = 0;
        unsigned missed = 0;
        Applications applications = Applications::Unknown;

        static constexpr auto fields()
        {
            return std::tuple{hv::StateField{"number", &Pulse::number}, hv::StateField{"beats", &Pulse::beats},
                              hv::StateField{"missed", &Pulse::missed},
                              hv::StateField{"applications", &Pulse::applications}};
        }
    };
    GuardedWith<Pulse, Line> pulse_;
};

[[nodiscard]] std::string_view to_string(HeartbeatService::State state);
[[nodiscard]] std::string_view to_string(HeartbeatService::Applications applications);

} // namespace devices::vmbus
