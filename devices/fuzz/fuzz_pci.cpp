/// Two PCI functions with ranges, MSI, MSI-X and ROMs beside a fixed device: a guest writes configuration space,
/// moves ranges over each other, and reaches into them.
///
/// The input is a list of steps. The first byte says what (modulo 4), numbers called "value" are Input::value's:
///   0  configuration: function, register and offset (1 byte), size (modulo 3: 1, 2 or 4 bytes), a value to write
///   1  memory: an address (value), size (1 byte, modulo 8, less one), and a value to write
///   2  ports: an address (2 bytes), size as above, a value to write
///   3  memory of a range: function, which (modulo 4: BAR 0, 2, 4 or the ROM), an offset (2 bytes), size, and a value
/// Bit 7 of the first byte: it is read.
#include "devices/fuzz/state.hpp"
#include "devices/pc/mmio_bus.hpp"
#include "devices/pc/pci_host.hpp"
#include "devices/pc/port_bus.hpp"
#include "devices/test_devices/pci_test_function.hpp"
#include "hv/fuzz/input.hpp"
#include "hv/fuzz/play.hpp"

#include <array>
#include <cstring>
#include <optional>
#include <utility>

using namespace devices;
using hv::fuzz::Input;
using hv::fuzz::require;

namespace {

constexpr std::uint64_t fixed_at = 0xFED0'0000;
constexpr std::uint64_t fixed_size = 0x400;
constexpr std::array slots{PciSlot{16, 0}, PciSlot{17, 0}};

struct Fixed final : MmioDevice {
    std::uint64_t read(std::uint64_t offset, unsigned size) override
    {
        require(offset < fixed_size && size <= fixed_size - offset, "an access stays in its range");
        require(offset % size == 0, "a part of an access is aligned");
        return 0;
    }
    void write(std::uint64_t offset, unsigned size, std::uint64_t) override { (void)read(offset, size); }
};

struct Range {
    std::uint64_t first;
    std::uint64_t size;

    [[nodiscard]] bool touches(std::uint64_t address, std::size_t count) const
    {
        for (std::size_t n = 0; n < count; ++n)
            if (address + n - first < size) return true;
        return false;
    }
};

class World final : MsiSink {
  public:
    World()
    {
        memory_.map(fixed_at, fixed_size, fixed_, "a fixed device");
        ports_.map(platform::pci_config_address, host_.address_port());
        ports_.map(platform::pci_config_data, host_.data_port());
        for (std::size_t n = 0; n < slots.size(); ++n) {
            functions_[n].emplace(slots[n], PciBuses{memory_, ports_}, static_cast<MsiSink&>(*this));
            host_.add(slots[n], functions_[n]->function());
        }
    }

    void step(Input& input)
    {
        act(input);
        if (std::exchange(sent_, false)) require(any_master(), "only a bus master sends");
    }

    void end()
    {
        for (unsigned function = 0; function < slots.size(); ++function)
            require(config(function, 0) == 0x10F0'1AF4, "a function is what it was");
        for (auto& function : functions_)
            devices::testing::check_state_stays(*function);
    }

  private:
    void act(Input& input)
    {
        auto const what = input.byte();
        bool const reads = (what & 0x80) != 0;
        switch ((what & 0x7F) % 4) {
        case 0: configure(input, reads); break;
        case 1: {
            auto const address = input.value();
            reach(address, input, reads);
            break;
        }
        case 2: {
            auto const port = input.take<std::uint16_t>();
            auto const size = 1U << input.below(3);
            if (port >= platform::pci_config_address.first && port < 0xD00) return; // step 0 has them
            if (reads)
                (void)ports_.read(port, size);
            else
                ports_.write(port, size, static_cast<std::uint32_t>(input.value()));
            break;
        }
        default: {
            auto const function = input.below(2);
            constexpr std::array registers{0x10U, 0x18U, 0x20U, 0x30U};
            auto const which = registers[input.below(4)];
            auto const range = this->range(function, which);
            reach(range.first + input.take<std::uint16_t>() % size_of(which), input, reads);
        }
        }
    }

    /// Under the sender's locks: what it says is looked at after the step.
    void send(MsiMessage const& message) override
    {
        require(message.address % 4 == 0, "a message goes to a dword");
        sent_ = true;
    }

    bool any_master()
    {
        bool master = false;
        for (unsigned function = 0; function < slots.size(); ++function)
            master = master || (config(function, 4) & pci::bus_master) != 0;
        return master;
    }

    void address_config(unsigned function, unsigned offset)
    {
        auto const devfn = slots[function].device << 3 | slots[function].function;
        ports_.write(platform::pci_config_address.first, 4, 1U << 31 | devfn << 8 | (offset & 0xFC));
    }

    std::uint32_t config(unsigned function, unsigned offset)
    {
        address_config(function, offset);
        return ports_.read(platform::pci_config_data.first, 4);
    }

    void configure(Input& input, bool reads)
    {
        auto const function = input.below(2);
        auto const offset = input.byte();
        auto const size = 1U << input.below(3);
        auto const value = static_cast<std::uint32_t>(input.value());
        address_config(function, offset);
        auto const port = static_cast<std::uint16_t>(platform::pci_config_data.first + offset % 4);
        if (reads) return (void)ports_.read(port, size);
        ports_.write(port, size, value);
    }

    static std::uint64_t size_of(unsigned which)
    {
        switch (which) {
        case 0x10: return 0x1000;
        case 0x18: return 0x1'0000;
        case 0x20: return 0x2000;
        default: return 0x800;
        }
    }

    /// Where the registers say that a range is; empty when it does not answer.
    Range range(unsigned function, unsigned which)
    {
        auto const low = config(function, which);
        auto const size = size_of(which);
        auto const first = (which == 0x18 ? std::uint64_t{config(function, 0x1C)} << 32 : 0) |
                           (low & ~static_cast<std::uint32_t>(size - 1));
        bool const decoded = (config(function, 4) & pci::decode_memory) != 0;
        return {first, decoded && (which != 0x30 || (low & 1) != 0) ? size : 0};
    }

    bool is_somebodys(std::uint64_t address, std::size_t count)
    {
        if (Range{fixed_at, fixed_size}.touches(address, count)) return true;
        for (unsigned function = 0; function < slots.size(); ++function) {
            for (auto const which : {0x10U, 0x18U, 0x20U, 0x30U})
                if (range(function, which).touches(address, count)) return true;
        }
        return false;
    }

    void reach(std::uint64_t address, Input& input, bool reads)
    {
        std::array<std::byte, 8> bytes{};
        auto const data = std::span{bytes}.first(1 + input.below(8));
        if (address > ~std::uint64_t{0} - data.size()) return; // a processor has no such addresses
        auto const value = input.value();
        std::memcpy(bytes.data(), &value, sizeof value);
        bool const expected = is_somebodys(address, data.size());
        bool const reached = reads ? memory_.read(address, data) : memory_.write(address, data);
        require(reached == expected, "an access is answered where a range is, and nowhere else");
        for (auto const byte : data)
            require(!reads || expected || byte == std::byte{0xFF}, "where nobody is, all bits read as ones");
    }

    MmioBus memory_;
    PortBus ports_;
    Fixed fixed_;
    PciHost host_;
    std::array<std::optional<PciTestFunction>, slots.size()> functions_;
    bool sent_ = false;
};

} // namespace

extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* data, std::size_t size);

extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* data, std::size_t size)
{
    Input input{{data, size}};
    World world;
    return hv::fuzz::play(world, input);
}
