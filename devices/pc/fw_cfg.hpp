/// QEMU's firmware configuration interface, as much of it as test kernels ask for.
#pragma once

#include "devices/base/guarded.hpp"
#include "devices/pc/port_io.hpp"
#include "hv/base/state.hpp"

#include <cstddef>
#include <cstdint>
#include <tuple>
#include <vector>

namespace devices {

/// A word written to the first port selects an item; byte reads of the second give its bytes, then zeros.
/// An unknown item is empty. No DMA, no files. Source: QEMU docs/specs/fw_cfg.
class FwCfg final : public PortDevice {
  public:
    struct Machine {
        std::uint16_t cpus;
        std::uint64_t memory; ///< bytes of guest memory, above 4 GiB included
    };

    explicit FwCfg(Machine machine);

    [[nodiscard]] std::uint32_t read(std::uint16_t offset, unsigned size) override;
    void write(std::uint16_t offset, unsigned size, std::uint32_t value) override;
    void visit(hv::StateVisitor& visitor);

  private:
    struct Item {
        std::uint16_t key;
        std::vector<std::byte> bytes;
    };

    std::vector<Item> items_;

    struct State {
        std::uint16_t selected = 0; ///< key
        std::uint32_t offset = 0;   ///< of the next byte in it

        static constexpr auto fields()
        {
            return std::tuple{hv::StateField{"selected", &State::selected}, hv::StateField{"offset", &State::offset}};
        }
    };

    Guarded<State, LockRank::Leaf> state_;
};

} // namespace devices
