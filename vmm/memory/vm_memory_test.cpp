#include "hv/testing/catch.hpp"
#include "vmm/hypervisor/error.hpp"
#include "vmm/hypervisor/testing/scripted_hypervisor.hpp"
#include "vmm/memory/pc_memory.hpp"
#include "vmm/memory/vm_memory.hpp"

#include <vector>

using namespace vmm;
using namespace vmm::testing;

namespace {

struct Piece {
    std::uint64_t base;
    std::uint64_t size;
    bool read_only;

    friend bool operator==(Piece const&, Piece const&) = default;
};

std::vector<Piece> mapped(ScriptedVm const& vm)
{
    std::vector<Piece> pieces;
    for (auto const& [base, mapping] : vm.record().memory)
        pieces.push_back({base, mapping.host.size(), mapping.read_only});
    return pieces;
}

struct World {
    ScriptedHypervisor hypervisor;
    std::unique_ptr<Vm> vm{hypervisor.create_vm({})};
    EntryGate gate;
    PcMemory memory{MemoryLayout{8 * layout::mib}};
};

constexpr Piece ram{0, 8 * layout::mib, false};

} // namespace

TEST_CASE("RAM and ROM are mapped, and nothing else", "[memory]")
{
    World world;
    VmMemory const vm_memory{*world.vm, world.memory.space(), world.gate};
    CHECK(mapped(world.hypervisor.vm()) == std::vector{ram});

    auto* const host = world.memory.memory().at(hv::Gpa{0}, hv::page_size);
    MemoryRange const firmware{hv::Gpa{0xFFC0'0000}, 4 * layout::mib};
    {
        auto const rom = world.memory.space().claim(firmware, {MemoryType::Rom, host}, "firmware");
        CHECK(mapped(world.hypervisor.vm()) == std::vector{ram, {firmware.base.value, firmware.size, true}});
    }
    auto const mmio = world.memory.space().claim(firmware, {MemoryType::Mmio}, "flash");
    CHECK(mapped(world.hypervisor.vm()) == std::vector{ram});
}

TEST_CASE("a hole in RAM splits its mapping, and that is whole again after it", "[memory]")
{
    World world;
    VmMemory const vm_memory{*world.vm, world.memory.space(), world.gate};
    {
        auto const hole =
            world.memory.space().overlay({hv::Gpa{0xA'0000}, 0x2'0000}, {MemoryType::Hole}, "a frame buffer");
        CHECK(mapped(world.hypervisor.vm()) ==
              std::vector<Piece>{{0, 0xA'0000, false}, {0xC'0000, 8 * layout::mib - 0xC'0000, false}});
    }
    CHECK(mapped(world.hypervisor.vm()) == std::vector{ram});
}

TEST_CASE("a mapping that the hypervisor refuses leaves the guest as it was", "[memory]")
{
    World world;
    VmMemory const vm_memory{*world.vm, world.memory.space(), world.gate};
    auto const before = world.memory.space().sections();
    auto* const host = world.memory.memory().page(hv::Gpa{0});

    world.hypervisor.faults.fail(Call::Map);
    CHECK_THROWS_AS(
        world.memory.space().claim({hv::Gpa{layout::gib}, hv::page_size}, {MemoryType::Rom, host}, "a ROM"),
        HypervisorError);
    world.hypervisor.faults.repair();
    CHECK(world.memory.space().sections() == before);
    CHECK(mapped(world.hypervisor.vm()) == std::vector{ram});
    CHECK(world.memory.space().find(hv::Gpa{layout::gib}) == std::nullopt);
}
