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

TEST_CASE("video memory is mapped for reading and writing, and moves", "[memory][display]")
{
    World world;
    VmMemory const vm_memory{*world.vm, world.memory.space(), world.gate};
    world.memory.add_video(std::make_shared<VideoMemory>(8 * layout::mib));
    CHECK(mapped(world.hypervisor.vm()) == std::vector{ram, {0xF000'0000, 8 * layout::mib, false}});
    CHECK(world.memory.place_video(0xF010'0000));
    CHECK(mapped(world.hypervisor.vm()) == std::vector{ram, {0xF010'0000, 8 * layout::mib, false}});
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

TEST_CASE("what a guest writes to RAM is told once, also when its mapping is split meanwhile", "[memory][dirty]")
{
    World world;
    VmMemory vm_memory{*world.vm, world.memory.space(), world.gate};
    auto& vm = world.hypervisor.vm();
    auto const page = [](std::uint64_t n) { return hv::Gpa{n * hv::page_size}; };
    using Runs = std::vector<MemoryRange>;
    vm.dirty(page(1));
    CHECK(vm_memory.take_log().empty());

    vm_memory.begin_log();
    CHECK(vm.record().memory.at(0).logs_writes);
    CHECK(vm_memory.take_log().empty());
    for (auto const n : {2, 3, 4, 63, 64, 2047})
        vm.dirty(page(static_cast<std::uint64_t>(n)));
    CHECK(vm_memory.take_log() ==
          Runs{{page(2), 3 * hv::page_size}, {page(63), 2 * hv::page_size}, {page(2047), hv::page_size}});
    CHECK(vm_memory.take_log().empty());

    vm.dirty(page(7));
    {
        auto const hole = world.memory.space().overlay({page(100), 2 * hv::page_size}, {MemoryType::Hole}, "a hole");
        vm.dirty(page(200));
        CHECK(vm_memory.take_log() == Runs{{page(7), hv::page_size}, {page(200), hv::page_size}});
        vm.dirty(page(8));
    }
    CHECK(vm_memory.take_log() == Runs{{page(8), hv::page_size}, {page(100), 2 * hv::page_size}}); // came back
    vm_memory.end_log();
    CHECK_FALSE(vm.record().memory.at(0).logs_writes);
    vm.dirty(page(9));
    CHECK(vm_memory.take_log().empty());
    vm_memory.begin_log();
    CHECK(vm_memory.take_log().empty());
}

TEST_CASE("a log that the hypervisor refuses leaves the guest's memory as it was", "[memory][dirty]")
{
    World world;
    auto const hole =
        world.memory.space().overlay({hv::Gpa{0xA'0000}, 0x2'0000}, {MemoryType::Hole}, "a frame buffer");
    VmMemory vm_memory{*world.vm, world.memory.space(), world.gate};
    auto const before = mapped(world.hypervisor.vm());
    world.hypervisor.faults.fail(Call::Map, 1);
    CHECK_THROWS_AS(vm_memory.begin_log(), HypervisorError);
    world.hypervisor.faults.repair();
    CHECK(mapped(world.hypervisor.vm()) == before);
    CHECK_NOTHROW(vm_memory.begin_log());
    CHECK(vm_memory.take_log().empty());
}
