/// The root's test peer: a guest program asks it to be the other end of a port, so that one guest alone can test
/// both. Exists only with --test-devices; docs/user-guide.md describes the request for those who write such programs.
#pragma once

#include "devices/base/guarded.hpp"
#include "devices/pc/port_io.hpp"
#include "hv/partition/partition.hpp"
#include "hv/port/port.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <set>

namespace devices {

/// In guest memory, 8-byte aligned, within one page. The results are written back in place.
struct PeerRequest {
    enum class Operation : std::uint32_t { Connect = 1, Post, Signal, Disconnect, Listen, Take, Close };

    Operation operation;
    std::uint32_t connection_id; ///< of the root partition
    std::uint32_t port_id;       ///< connect: the guest's; listen, take, close: the root's
    std::uint32_t port_type;     ///< connect, listen: hv::abi::PortType
    std::uint32_t message_type;  ///< post
    std::uint32_t payload_size;  ///< post, bytes
    std::uint32_t count;         ///< post, signal: how many times
    std::uint32_t flag_number;   ///< signal
    std::uint64_t payload;       ///< post: the first eight bytes of the first message; each further one has one more

    // Results.
    std::uint32_t completed; ///< how many of `count` succeeded
    std::uint32_t status;    ///< HV_STATUS of the last one
    std::array<std::uint16_t, 16> statuses;
    std::uint32_t taken; ///< take: 1 when something had arrived, then what it was
    std::uint32_t taken_type;
    std::uint32_t taken_size;
    std::uint32_t taken_flag;
    std::uint64_t taken_origin;
    std::array<std::uint64_t, 30> taken_payload;
    std::uint64_t reserved;
};
static_assert(sizeof(PeerRequest) == 352);

class TestPeer final : public PortDevice {
  public:
    static constexpr std::uint32_t signature = 0x5045'4552; ///< what a read of the port answers: "REEP"

    explicit TestPeer(std::shared_ptr<hv::Partition> guest) : guest_{std::move(guest)} {}
    ~TestPeer() override;

    [[nodiscard]] std::uint32_t read(std::uint16_t offset, unsigned size) override;
    /// A 32-bit OUT of a request's GPA; it is carried out before the OUT completes.
    void write(std::uint16_t offset, unsigned size, std::uint32_t value) override;

  private:
    class Inbox;

    static constexpr std::size_t most_objects = 64; ///< connections, and ports, that it keeps for a guest
    static constexpr std::uint32_t most_repeats = 4096;

    [[nodiscard]] hv::Status connect(PeerRequest const& request);
    [[nodiscard]] hv::Status disconnect(PeerRequest const& request);
    [[nodiscard]] hv::Status listen(PeerRequest const& request);
    [[nodiscard]] hv::Status close(PeerRequest const& request);
    [[nodiscard]] hv::Status take(PeerRequest& request);
    [[nodiscard]] hv::Status post(PeerRequest const& request, std::uint32_t n) const;
    void perform(PeerRequest& request);

    [[nodiscard]] hv::Partition& root() const;

    std::shared_ptr<hv::Partition> const guest_;
    /// The root's that it has made for the guest, by their IDs.
    struct Objects {
        std::set<std::uint32_t> connections;
        std::map<std::uint32_t, std::shared_ptr<Inbox>> ports;
    };
    Guarded<Objects, LockRank::TestPeer> objects_;
};

} // namespace devices
