/// The registers by which a guest uses a TPM 2.0: the Command Response Buffer interface (TCG PC Client Platform TPM
/// Profile 1.05, "PTP", §6.5.3). Locality 0 alone, without an interrupt.
#pragma once

#include "devices/base/guarded.hpp"
#include "devices/pc/mmio_bus.hpp"
#include "devices/tpm/backend.hpp"
#include "hv/base/inspect.hpp"
#include "hv/base/state.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <tuple>
#include <vector>

namespace devices::tpm {

/// Where a PC has it (PTP §6.3), and how long the registers of locality 0 are.
inline constexpr std::uint64_t crb_address = 0xFED4'0000;
inline constexpr std::uint64_t crb_size = 0x1000;

/// Offsets of registers, and their bits.
namespace crb {

inline constexpr std::uint64_t locality_state = 0x00;
inline constexpr std::uint32_t not_established = 1U << 0; ///< no dynamic launch has taken place
inline constexpr std::uint32_t locality_assigned = 1U << 1;
inline constexpr std::uint32_t registers_valid = 1U << 7;

inline constexpr std::uint64_t locality_control = 0x08;
inline constexpr std::uint32_t request_access = 1U << 0;
inline constexpr std::uint32_t relinquish = 1U << 1;

inline constexpr std::uint64_t locality_status = 0x0C;
inline constexpr std::uint32_t granted = 1U << 0;

inline constexpr std::uint64_t interface_id = 0x30; ///< eight bytes

inline constexpr std::uint64_t control_request = 0x40; ///< here the control area begins, which ACPI names
inline constexpr std::uint32_t command_ready = 1U << 0;
inline constexpr std::uint32_t go_idle = 1U << 1;

inline constexpr std::uint64_t control_status = 0x44;
inline constexpr std::uint32_t failed = 1U << 0;
inline constexpr std::uint32_t idle = 1U << 1;

inline constexpr std::uint64_t control_start = 0x4C;
inline constexpr std::uint32_t start = 1U << 0;

inline constexpr std::uint64_t command_size = 0x58;
inline constexpr std::uint64_t command_address = 0x5C; ///< low, and high
inline constexpr std::uint64_t response_size = 0x64;
inline constexpr std::uint64_t response_address = 0x68; ///< low, and high

inline constexpr std::uint64_t data = 0x80;
static_assert(data + most_bytes == crb_size);

} // namespace crb

/// A command is taken out of the buffer in one piece when the guest starts it, and its response put there in one:
/// what the guest writes meanwhile goes nowhere.
class Crb final : public DwordMmio {
  public:
    /// Resets the TPM. `backend` is kept.
    explicit Crb(std::shared_ptr<Backend> backend);

    /// A response that comes is not shown to the guest until `resume`.
    void quiesce();
    void resume();

    /// The registers and the buffer. What the TPM itself keeps is not among it: a command that was under way has
    /// failed when the state is restored.
    void visit(hv::StateVisitor& visitor);
    void inspect(hv::Inspector& inspector) const;

  private:
    struct State {
        bool assigned = false; ///< the guest has locality 0
        bool idle = true;
        bool failed = false;
        bool busy = false; ///< a command is under way
        std::array<std::byte, most_bytes> buffer{};

        static constexpr auto fields()
        {
            using hv::Shown;
            return std::tuple{hv::StateField{"assigned", &State::assigned, Shown::Yes},
                              hv::StateField{"idle", &State::idle, Shown::Yes},
                              hv::StateField{"failed", &State::failed, Shown::Yes},
                              hv::StateField{"busy", &State::busy, Shown::Yes},
                              hv::StateField{"buffer", &State::buffer}};
        }
    };
    /// What a response finds after the device has ended, too.
    struct Shared {
        State state{};
        bool rests = false;
        bool has_kept = false;
        std::vector<std::byte> kept{}; ///< a response that came meanwhile
    };
    using SharedState = Guarded<Shared, LockRank::Leaf>;
    class Command;

    [[nodiscard]] std::uint32_t read_dword(std::uint64_t offset, unsigned size) override;
    void write_dword(std::uint64_t offset, unsigned size, std::uint32_t value) override;

    void start();
    static void put(State& state, std::span<std::byte const> response);

    std::shared_ptr<Backend> const backend_;
    std::shared_ptr<SharedState> const shared_;
};

} // namespace devices::tpm
