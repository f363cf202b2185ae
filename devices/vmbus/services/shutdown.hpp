/// The shutdown service: the host asks the guest to go down, or to start anew, in an orderly way.
#pragma once

#include "devices/vmbus/services/service.hpp"

namespace devices::vmbus {

class ShutdownService final : public Service {
  public:
    enum class What { PowerOff, Reboot, Hibernate };

    enum class Result {
        Accepted,     ///< the guest goes about it now
        Refused,      ///< it says that it does not
        NotSupported, ///< not by the version that it speaks
        NotReady,     ///< no driver in the guest listens, or it is about to answer an earlier request
        TimedOut,     ///< no answer
        Gone,         ///< the guest closed the channel before it answered
    };
    using Callback = std::function<void(Result)>;

    static constexpr std::chrono::seconds answer_time{10};

    explicit ShutdownService(hv::vmbus::Executor& executor);

    /// `done` is called once, without a lock, on any thread, perhaps before this returns. How the guest ends is seen
    /// elsewhere: it powers off or resets.
    void request(What what, Callback done);

  private:
    struct Asked;

    void ready(Line&, DeferredCalls&) override {}
    void answered(Line& line, Answer const& answer, DeferredCalls& deferred) override;
    void closed(Line& line, DeferredCalls& deferred) override;
    void visit_more(Line& line, hv::StateVisitor& visitor) override
    {
        hv::visit(visitor, "shutdown", asked_.with(line).state);
    }
    static void finish(Asked& asked, Result result, DeferredCalls& deferred);

    /// Whoever asked elsewhere is not told how that ends: the guest's answer is taken, and that is all.
    struct State {
        std::uint64_t request = 0; ///< the number of the last one

        static constexpr auto fields() { return std::tuple{hv::StateField{"request", &State::request}}; }
    };
    struct Asked {
        Callback done{}; ///< of the request that the guest has not answered
        State state{};
    };

    GuardedWith<Asked, Line> asked_;
};

} // namespace devices::vmbus
