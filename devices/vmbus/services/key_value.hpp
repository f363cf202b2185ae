/// The key-value exchange: the host reads what the guest says of itself, and leaves values for it.
#pragma once

#include "devices/net/mac_address.hpp"
#include "devices/vmbus/services/key_value_protocol.hpp"
#include "devices/vmbus/services/service.hpp"

#include <deque>
#include <string>

namespace devices::vmbus {

class KeyValueService final : public Service {
  public:
    using Pool = key_value::Pool;

    enum class Error {
        None,
        NotReady,  ///< no driver in the guest listens, or its daemon does not run
        Busy,      ///< too many requests wait
        TooLong,   ///< a key or value does not fit
        TimedOut,  ///< no answer
        Gone,      ///< the guest closed the channel
        Refused,   ///< the guest says that it cannot
        Malformed, ///< the answer makes no sense
    };

    struct Pair {
        std::string key;
        std::string value;

        friend bool operator==(Pair const&, Pair const&) = default;
    };

    struct Addresses {
        std::string addresses; ///< these four separated by semicolons
        std::string subnets;
        std::string gateways;
        std::string dns_servers;
        bool dhcp = false;
    };

    struct Result {
        Error error = Error::None;
        std::vector<Pair> pairs{};
        Addresses addresses{};
    };
    using Callback = std::function<void(Result)>;

    static constexpr std::size_t most_requests = 16;
    static constexpr std::size_t most_pairs = 256; ///< of one enumeration; a longer one ends there

    explicit KeyValueService(hv::vmbus::Executor& executor);

    /// Callbacks are called once, without a lock, on any thread, perhaps before the call returns. `patience` counts
    /// from the call. Requests that are waiting when time is up for an earlier one still have to wait for its answer:
    /// a guest takes one at a time.
    void enumerate(Pool pool, std::chrono::milliseconds patience, Callback done);
    void set(Pool pool, std::string_view key, std::string_view value, std::chrono::milliseconds patience,
             Callback done);
    void remove(Pool pool, std::string_view key, std::chrono::milliseconds patience, Callback done);
    /// Those of the network adapter that has this address.
    void addresses(net::MacAddress const& adapter, std::chrono::milliseconds patience, Callback done);

  private:
    struct Request {
        std::uint64_t number;
        std::vector<std::byte> message; ///< as it is to be sent
        key_value::Operation operation;
        Callback done;
        Result result{};
        bool sent = false;
    };

    /// Whoever waited for answers elsewhere gets none here: an answer that is to come is taken, and that is all.
    struct State {
        std::uint64_t number = 0; ///< of the last request
        std::uint64_t requests_finished = 0;

        static constexpr auto fields()
        {
            return std::tuple{hv::StateField{"number", &State::number},
                              hv::StateField{"requests_finished", &State::requests_finished, hv::Shown::Yes}};
        }
    };
    struct Book {
        std::deque<Request> requests{}; ///< the first one may be on its way
        State state{};
    };

    void ready(Line&, DeferredCalls&) override {}
    void answered(Line& line, Answer const& answer, DeferredCalls& deferred) override;
    void closed(Line& line, DeferredCalls& deferred) override;
    void inspect_more(Line const& line, hv::Inspector& inspector) const override;
    void visit_more(Line& line, hv::StateVisitor& visitor) override
    {
        hv::visit(visitor, "key_value", book_.with(line).state);
    }

    template <typename Message>
    void submit(Message const& message, key_value::Operation operation, std::chrono::milliseconds patience,
                Callback done);
    void send_next(Line& line, DeferredCalls& deferred);
    void time_is_up(std::uint64_t number);
    static void finish_first(Book& book, Error error, DeferredCalls& deferred);
    [[nodiscard]] static Error take_pair(Request& request, Answer const& answer);
    [[nodiscard]] static Error take_addresses(Request& request, Answer const& answer);

    GuardedWith<Book, Line> book_;
};

/// For a user.
[[nodiscard]] std::string_view to_string(KeyValueService::Error error);

} // namespace devices::vmbus
