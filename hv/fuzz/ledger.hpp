/// What fuzz_partitions knows of up to four partitions and the root, and demands of the model: which ports and
/// connections were made, which messages were accepted and where each is, what the pools are charged for.
#pragma once

#include "hv/testing/fabric.hpp"

#include <array>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <set>

namespace hv::fuzz {

inline constexpr unsigned seat_count = 4;
inline constexpr unsigned root_seat = seat_count;
inline constexpr unsigned vps_per_guest = 2;

/// What the ledger has of a port, also when it is gone.
struct LedgerPort {
    unsigned seat = 0;
    std::uint32_t id = 0;
    PortSpec spec;
    PortHandle handle;
    bool alive = true;
    bool connected = false;
    std::deque<std::uint64_t> waiting{}; ///< messages that were accepted and have not been in a slot yet
};

struct LedgerConnection {
    LedgerPort* port;
    bool shows_page;
};

struct LedgerMessage {
    enum class State { Sent, Waiting, Arrived, Refused, Lost };

    LedgerPort* port = nullptr;
    State state = State::Sent;
};

struct Seat {
    std::unique_ptr<testing::TestGuest> guest;
    std::uint64_t pool = 0;
    PartitionId parent{};
    std::map<std::uint32_t, LedgerPort*> ports;
    std::map<std::uint32_t, LedgerConnection> connections;
    std::set<std::uint32_t> tried_ids; ///< each may have made three nodes in each table
    std::array<std::array<std::uint64_t, 16>, vps_per_guest> slots{}; ///< the message that each shows, 0 for none

    [[nodiscard]] Partition& partition() const { return *guest->partition; }
};

/// Broken promises end the process, by require().
class Ledger {
  public:
    explicit Ledger(PartitionRegistry& registry) : registry_{registry} {}

    /// A port was made; `among` are those of its owner, who has that seat.
    LedgerPort& enter(std::map<std::uint32_t, LedgerPort*>& among, std::uint32_t id, PortSpec const& spec,
                      unsigned seat, PortHandle handle);
    /// A port is gone, and what waited for it is lost.
    void bury(LedgerPort& port);
    /// The message of that serial number has come to a slot of the port's, or to the root's handler.
    void arrive(LedgerPort& port, std::uint64_t serial);

    /// Enters what is new in the message slots of all guests.
    void look_at_slots();
    /// Everything in the ledger is there; and in the tables of whoever has acted there is nothing else.
    void check(unsigned actor);

    /// Whether the guest has its slots where they can be seen.
    [[nodiscard]] static bool sees_slots(Seat const& seat, unsigned vp);
    /// Whether a message that can only arrive there waits.
    [[nodiscard]] static bool awaited(Seat const& seat, unsigned vp, unsigned sint);

    std::deque<LedgerPort> ports;
    std::deque<LedgerMessage> messages; ///< by serial number less one
    std::map<std::uint32_t, LedgerPort*> root_ports;
    std::array<Seat, seat_count> seats;

  private:
    void look_at_slot(unsigned number, unsigned vp, std::uint32_t sint);
    void check_ports(Partition& partition, std::map<std::uint32_t, LedgerPort*> const& expected_ports);

    PartitionRegistry& registry_;
};

} // namespace hv::fuzz
