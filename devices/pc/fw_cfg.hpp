/// QEMU's firmware configuration interface, as much of it as test kernels and OVMF ask for.
#pragma once

#include "devices/base/guarded.hpp"
#include "devices/pc/port_io.hpp"
#include "hv/base/state.hpp"

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <tuple>
#include <vector>

namespace devices {

/// A word written to the first port selects an item; byte reads of the second give its bytes, then zeros.
/// An unknown item is empty. Files are items whose keys a directory tells. No DMA. Source: QEMU docs/specs/fw_cfg.
class FwCfg final : public PortDevice {
  public:
    struct Machine {
        std::uint16_t cpus;
        std::uint64_t memory; ///< bytes of guest memory, above 4 GiB included
    };

    static constexpr std::size_t longest_name = 55; ///< of a file, in bytes

    explicit FwCfg(Machine machine);

    /// A file. While the machine is built. Throws std::logic_error for a name that is too long or taken.
    void add_file(std::string_view name, std::vector<std::byte> content);

    [[nodiscard]] std::uint32_t read(std::uint16_t offset, unsigned size) override;
    void write(std::uint16_t offset, unsigned size, std::uint32_t value) override;
    void visit(hv::StateVisitor& visitor);

  private:
    struct Item {
        std::uint16_t key;
        std::vector<std::byte> bytes;
    };

    [[nodiscard]] Item& item(std::uint16_t key);

    std::vector<Item> items_;
    std::uint32_t files_ = 0;

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
