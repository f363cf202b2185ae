#include "hv/testing/catch.hpp"
#include "vmm/memory/pc_memory.hpp"

#include <algorithm>
#include <memory>
#include <string>

using vmm::MemoryRange;
namespace layout = vmm::layout;

namespace {

std::string owner_of(vmm::AddressSpace const& space, std::uint64_t address)
{
    auto const section = space.find(hv::Gpa{address});
    return section ? space.owner(*section) : "";
}

} // namespace

TEST_CASE("each part of a PC's memory map has its owner", "[memory]")
{
    vmm::PcMemory memory{vmm::MemoryLayout{4 * layout::gib}};
    auto const& space = memory.space();

    CHECK(owner_of(space, 0) == "RAM");
    CHECK(owner_of(space, 5 * layout::gib - 1) == "RAM");
    CHECK(owner_of(space, 5 * layout::gib).empty());
    CHECK(owner_of(space, 0xC000'0000).empty());
    CHECK(owner_of(space, 0xF000'0000) == "VMBus devices");
    CHECK(owner_of(space, 0xFEC0'0000) == "the I/O APIC");
    CHECK(owner_of(space, 0xFEE0'0000) == "the local APICs");
    CHECK(owner_of(space, 0xFEFF'C000) == "KVM's identity map");
    CHECK(owner_of(space, 0xFEFF'F000) == "KVM's task state segment");
}

TEST_CASE("a firmware image of 16 MiB has room at the end of the MMIO hole", "[memory]")
{
    vmm::PcMemory memory{vmm::MemoryLayout{layout::min_memory}};
    CHECK_NOTHROW(memory.space().claim({hv::Gpa{0xFF00'0000}, 16 * layout::mib}, {vmm::MemoryType::Mmio}, "flash"));
    CHECK_THROWS_AS(
        memory.space().claim({hv::Gpa{0xFE00'0000}, 32 * layout::mib}, {vmm::MemoryType::Mmio}, "too much flash"),
        vmm::AddressConflict);
}

TEST_CASE("video memory lies where VMBus devices may have theirs, and nowhere else", "[memory][display]")
{
    vmm::PcMemory memory{vmm::MemoryLayout{4 * layout::gib}};
    auto const video = std::make_shared<vmm::VideoMemory>(8 * layout::mib);
    memory.add_video(video);
    auto const& space = memory.space();
    auto const at = [&](std::uint64_t address) { return space.find(hv::Gpa{address})->contents.host; };

    CHECK(owner_of(space, 0xF000'0000) == "the display");
    CHECK(owner_of(space, 0xF080'0000) == "VMBus devices");
    CHECK(at(0xF000'0000) == video->bytes().data());
    CHECK_FALSE(memory.memory().at(hv::Gpa{0xF000'0000}, 1)); // no RAM to hypercalls

    CHECK(memory.place_video(0xF780'0000)); // the last that fits
    CHECK(owner_of(space, 0xF000'0000) == "VMBus devices");
    CHECK(at(0xF780'0000) == video->bytes().data());
    auto const bad =
        GENERATE(std::uint64_t{0}, std::uint64_t{0xEFFF'F000}, std::uint64_t{0xF000'0800}, std::uint64_t{0xF780'1000},
                 std::uint64_t{0xFEC0'0000}, std::uint64_t{0x1'0000'0000}, ~std::uint64_t{0xFFF});
    CHECK_FALSE(memory.place_video(bad));
    CHECK(owner_of(space, 0xF780'0000) == "the display");
}

TEST_CASE("video memory is all zero again when it was cleared", "[memory][display]")
{
    vmm::VideoMemory const video{8 * layout::mib};
    video.bytes().back() = std::byte{1};
    video.bytes().front() = std::byte{2};
    video.clear();
    CHECK(std::ranges::all_of(video.bytes(), [](std::byte one) { return one == std::byte{0}; }));
}

TEST_CASE("RAM comes later, as far as it was asked for", "[memory]")
{
    vmm::PcMemory memory{vmm::MemoryLayout{64 * layout::mib, 512 * layout::mib}};
    auto const at = [&](std::uint64_t address) { return memory.memory().page(hv::Gpa{address}); };
    CHECK(at(4 * layout::gib) == nullptr);
    memory.add_ram(0);
    CHECK(at(4 * layout::gib) == nullptr);
    memory.add_ram(layout::hot_add_block);
    auto* const first = at(4 * layout::gib);
    REQUIRE(first);
    *first = std::byte{5};
    memory.add_ram(layout::hot_add_block);
    memory.add_ram(3 * layout::hot_add_block);
    CHECK(owner_of(memory.space(), 4 * layout::gib + layout::hot_add_block) == "RAM");
    CHECK(at(4 * layout::gib) == first);
    CHECK(*first == std::byte{5});
    CHECK(at(4 * layout::gib + 3 * layout::hot_add_block - 1));
    CHECK(at(4 * layout::gib + 3 * layout::hot_add_block) == nullptr);
    memory.add_ram(layout::hot_add_block); // it never goes
    CHECK(at(4 * layout::gib + layout::hot_add_block));
}

TEST_CASE("only RAM that nothing lies over is discarded", "[memory]")
{
    vmm::PcMemory memory{vmm::MemoryLayout{64 * layout::mib, 512 * layout::mib}};
    auto& page = *memory.memory().page(hv::Gpa{1 * layout::mib});
    page = std::byte{1};
    auto const hole =
        memory.space().overlay({hv::Gpa{2 * layout::mib}, hv::page_size}, {vmm::MemoryType::Hole}, "a hole");
    CHECK_FALSE(memory.discard({hv::Gpa{1 * layout::mib}, 2 * layout::mib}));
    CHECK_FALSE(memory.discard({hv::Gpa{64 * layout::mib - hv::page_size}, 2 * hv::page_size}));
    CHECK_FALSE(memory.discard({hv::Gpa{4 * layout::gib}, hv::page_size})); // not there yet
    CHECK_FALSE(memory.discard({hv::Gpa{layout::vmbus_mmio.base}, hv::page_size}));
    CHECK(page == std::byte{1});
    CHECK(memory.discard({hv::Gpa{1 * layout::mib}, layout::mib}));
    CHECK(page == std::byte{0});
}
