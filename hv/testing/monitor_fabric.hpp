/// Two guests with a monitor page between them, and a clock that moves when the test says so.
#pragma once

#include "hv/partition/monitor_scanner.hpp"
#include "hv/testing/catch.hpp"
#include "hv/testing/fabric.hpp"
#include "hv/testing/monitor_host.hpp"
#include "hv/testing/monitor_page.hpp"

#include <chrono>
#include <cstdint>

namespace hv::testing {

/// Event port and connection 2 have flags 0 to 127; monitor port and connection 3 have their page at `receiver_gpa`
/// and `sender_gpa`.
struct MonitorFabric : Fabric {
    static constexpr Sint sint{5};
    static constexpr std::uint64_t receiver_gpa = 0x2'0000;
    static constexpr std::uint64_t sender_gpa = 0x2'5000;

    using Time = MonitorScanner::Time;
    using Duration = MonitorScanner::Duration;

    RecordingMonitorHost host;
    MonitorScanner& scanner{registry.monitors()};
    GuestMonitorPage page{sender, sender_gpa};
    Time now{std::chrono::hours{1}};
    std::optional<Time> next;

    MonitorFabric()
    {
        scanner.set_host(&host);
        start_synic(receiver);
        REQUIRE(create(2, event_port(sint.value, 0, 128)) == Status::Success);
        REQUIRE(connect(2, 2, abi::PortType::Event) == Status::Success);
    }
    ~MonitorFabric()
    {
        registry.remove(*sender.partition);
        registry.remove(*receiver.partition);
    }

    [[nodiscard]] Status connect_monitor(std::uint32_t connection = 3, std::uint32_t port = 3,
                                         std::uint64_t gpa = sender_gpa) const
    {
        return call(sender, abi::CallCode::ConnectPort,
                    abi::ConnectPortInput{self_partition.value, connection, 0, receiver_id(), port, 0,
                                          abi::PortType{static_cast<std::uint32_t>(gpa)},
                                          static_cast<std::uint32_t>(gpa >> 32)});
    }
    /// Port, connection, and a first trigger, number 0, for flag 0 at once.
    void set_up(std::uint16_t latency_100ns = 10'000)
    {
        REQUIRE(create(3, monitor_port(receiver_gpa)) == Status::Success);
        REQUIRE(connect_monitor() == Status::Success);
        page.describe(0, 2, 0, latency_100ns);
        page.enable(1);
        scan();
    }

    void scan() { next = scanner.scan(now); }
    /// Lets time pass, scanning whenever it is due. How many scans that took.
    unsigned pass(Duration duration)
    {
        auto const end = now + duration;
        unsigned scans = 0;
        for (; next && *next <= end; ++scans) {
            CHECK(*next > now);
            now = *next;
            scan();
        }
        now = end;
        return scans;
    }
    [[nodiscard]] bool take(unsigned flag) const { return take_flag(receiver, sint, flag); }
    [[nodiscard]] std::size_t interrupts() { return receiver.sink.asserted.size(); }
};

} // namespace hv::testing
