#include "hv/testing/catch.hpp"
#include "hv/testing/threads.hpp"
#include "vmm/memory/address_space.hpp"

#include <algorithm>
#include <atomic>
#include <cstring>
#include <new>
#include <string>
#include <vector>

using vmm::AddressSpace;
using vmm::MemoryContents;
using vmm::MemoryRange;
using vmm::MemorySection;
using vmm::MemoryType;

namespace {

constexpr std::uint64_t page = hv::page_size;

constexpr MemoryRange pages(std::uint64_t first, std::uint64_t count)
{
    return {hv::Gpa{first * page}, count * page};
}

/// A place and what lies there, in pages.
struct Piece {
    std::uint64_t first;
    std::uint64_t count;
    MemoryType type;

    friend bool operator==(Piece const&, Piece const&) = default;
};

std::vector<Piece> pieces(std::span<MemorySection const> sections)
{
    std::vector<Piece> all;
    for (auto const& section : sections)
        all.push_back({section.range.base.value / page, section.range.size / page, section.contents.type});
    return all;
}

/// Keeps what it was told last, and a map of its own by it.
class Recorder final : public AddressSpace::Listener {
  public:
    void map_changed(std::span<MemorySection const> removed_now, std::span<MemorySection const> added_now) override
    {
        if (fails) throw std::bad_alloc{};
        ++changes;
        removed = pieces(removed_now);
        added = pieces(added_now);
        for (auto const& section : removed_now)
            std::erase(map, section);
        map.insert(map.end(), added_now.begin(), added_now.end());
        std::ranges::sort(map, {}, [](MemorySection const& section) { return section.range.base.value; });
    }

    bool fails = false;
    unsigned changes = 0;
    std::vector<Piece> removed;
    std::vector<Piece> added;
    std::vector<MemorySection> map;
};

class Ram {
  public:
    explicit Ram(std::uint64_t count) : bytes_((count + 1) * page) {}

    [[nodiscard]] std::byte* at(std::uint64_t n)
    {
        return bytes_.data() + (page - reinterpret_cast<std::uintptr_t>(bytes_.data()) % page) % page + n * page;
    }
    [[nodiscard]] MemoryContents contents() { return {MemoryType::Ram, at(0)}; }

  private:
    std::vector<std::byte> bytes_;
};

std::string refusal(AddressSpace& space, MemoryRange const& range, std::string const& owner, bool above = false)
{
    try {
        auto const claim =
            above ? space.overlay(range, {MemoryType::Hole}, owner) : space.claim(range, {MemoryType::Mmio}, owner);
        return {};
    } catch (vmm::AddressConflict const& conflict) {
        return conflict.what();
    }
}

} // namespace

TEST_CASE("two who claim the same addresses are told of each other", "[memory]")
{
    AddressSpace space;
    auto const flash = space.claim(pages(16, 16), {MemoryType::Mmio}, "flash");

    CHECK(refusal(space, pages(31, 1), "a timer") ==
          "'a timer' cannot have the guest's addresses 0x1f000-0x1ffff: 'flash' has 0x10000-0x1ffff");
    CHECK_FALSE(refusal(space, pages(15, 2), "a timer").empty());
    CHECK_FALSE(refusal(space, pages(0, 64), "a timer").empty());
    CHECK(refusal(space, pages(15, 1), "a timer").empty());
    CHECK(refusal(space, pages(32, 1), "a timer").empty());
    CHECK(pieces(space.sections()) == std::vector<Piece>{{16, 16, MemoryType::Mmio}});
}

TEST_CASE("overlays lie over claims, and not over each other", "[memory]")
{
    AddressSpace space;
    auto const below = space.claim(pages(16, 16), {MemoryType::Mmio}, "below");
    auto const above = space.overlay(pages(20, 2), {MemoryType::Hole}, "above");

    CHECK(refusal(space, pages(18, 1), "third", true).empty());
    CHECK(refusal(space, pages(18, 3), "third", true).find("'above' has") != std::string::npos);
}

TEST_CASE("addresses return to nobody when a claim ends", "[memory]")
{
    AddressSpace space;
    {
        auto const claim = space.claim(pages(1, 1), {MemoryType::Mmio}, "first");
        CHECK(space.owner(space.find(hv::Gpa{page}).value()) == "first");
    }
    CHECK_FALSE(space.find(hv::Gpa{page}));
    CHECK(refusal(space, pages(1, 1), "second").empty());
}

TEST_CASE("only whole pages of the guest can be claimed", "[memory]")
{
    AddressSpace space;
    for (auto const& range : {MemoryRange{hv::Gpa{0}, 0}, MemoryRange{hv::Gpa{8}, page}, MemoryRange{hv::Gpa{0}, 8},
                              MemoryRange{hv::Gpa{MemoryRange::max_end}, page},
                              MemoryRange{hv::Gpa{MemoryRange::max_end - page}, 2 * page},
                              MemoryRange{hv::Gpa{~std::uint64_t{0} - page + 1}, 2 * page}})
        CHECK_THROWS_AS(space.claim(range, {MemoryType::Hole}, "nobody"), std::invalid_argument);
}

TEST_CASE("an overlay splits what it covers, and that is whole again after it", "[memory]")
{
    Ram ram{16};
    AddressSpace space;
    Recorder recorder;
    auto const low = space.claim(pages(0, 16), ram.contents(), "RAM");
    auto const other = space.claim(pages(32, 1), {MemoryType::Mmio}, "a device");
    space.listen(recorder);
    CHECK(recorder.added == std::vector<Piece>{{0, 16, MemoryType::Ram}, {32, 1, MemoryType::Mmio}});

    {
        auto const rom = space.overlay(pages(4, 2), {MemoryType::Rom, ram.at(10)}, "a ROM");
        CHECK(recorder.removed == std::vector<Piece>{{0, 16, MemoryType::Ram}});
        CHECK(recorder.added ==
              std::vector<Piece>{{0, 4, MemoryType::Ram}, {4, 2, MemoryType::Rom}, {6, 10, MemoryType::Ram}});
        CHECK(recorder.map == space.sections());
        CHECK(recorder.map[2].contents.host == ram.at(6));

        auto const hole = space.overlay(pages(15, 2), {MemoryType::Hole}, "a hole");
        CHECK(recorder.removed == std::vector<Piece>{{6, 10, MemoryType::Ram}});
        CHECK(recorder.added == std::vector<Piece>{{6, 9, MemoryType::Ram}, {15, 2, MemoryType::Hole}});
    }
    CHECK(recorder.removed ==
          std::vector<Piece>{{0, 4, MemoryType::Ram}, {4, 2, MemoryType::Rom}, {6, 10, MemoryType::Ram}});
    CHECK(recorder.added == std::vector<Piece>{{0, 16, MemoryType::Ram}});
    space.stop_listening(recorder);
}

TEST_CASE("the model sees RAM alone, and what follows on in guest and host as one", "[memory]")
{
    Ram ram{16};
    AddressSpace space;
    auto const low = space.claim(pages(0, 8), ram.contents(), "RAM");
    auto const next = space.claim(pages(8, 4), {MemoryType::Ram, ram.at(8)}, "more RAM");
    auto const far = space.claim(pages(12, 4), {MemoryType::Ram, ram.at(0)}, "RAM from elsewhere");
    auto const& memory = space.memory();

    CHECK(memory.at(hv::Gpa{0}, 12 * page) == ram.at(0));
    CHECK(memory.at(hv::Gpa{11 * page}, 2 * page) == nullptr);
    auto const rom = space.overlay(pages(1, 1), {MemoryType::Rom, ram.at(15)}, "a ROM");
    CHECK(memory.page(hv::Gpa{page}) == nullptr);
    CHECK(memory.page(hv::Gpa{2 * page}) == ram.at(2));
}

TEST_CASE("RAM that overlays RAM is what the model sees", "[memory]")
{
    Ram ram{4};
    Ram shared{1};
    AddressSpace space;
    auto const low = space.claim(pages(0, 4), ram.contents(), "RAM");
    {
        auto const over = space.overlay(pages(2, 1), shared.contents(), "a shared page");
        CHECK(space.memory().page(hv::Gpa{2 * page}) == shared.at(0));
    }
    CHECK(space.memory().at(hv::Gpa{0}, 4 * page) == ram.at(0));
}

TEST_CASE("a change that a listener refuses has not been made", "[memory]")
{
    Ram ram{4};
    AddressSpace space;
    Recorder first;
    Recorder second;
    auto const low = space.claim(pages(0, 4), ram.contents(), "RAM");
    space.listen(first);
    space.listen(second);
    auto const before = space.sections();

    second.fails = true;
    CHECK_THROWS_AS(space.overlay(pages(1, 1), {MemoryType::Hole}, "a hole"), std::bad_alloc);
    CHECK(space.sections() == before);
    CHECK(first.map == before);
    CHECK(space.memory().at(hv::Gpa{0}, 4 * page) == ram.at(0));

    second.fails = false;
    auto const hole = space.overlay(pages(1, 1), {MemoryType::Hole}, "a hole");
    CHECK(first.map == second.map);
}

TEST_CASE("an end that a listener refuses is made up for with the next change", "[memory]")
{
    Ram ram{4};
    AddressSpace space;
    Recorder recorder;
    auto const low = space.claim(pages(0, 4), ram.contents(), "RAM");
    space.listen(recorder);
    {
        auto const hole = space.overlay(pages(1, 1), {MemoryType::Hole}, "a hole");
        recorder.fails = true;
    }
    recorder.fails = false;
    auto const device = space.claim(pages(8, 1), {MemoryType::Mmio}, "a device");
    CHECK(recorder.map == space.sections());
    CHECK(pieces(recorder.map) == std::vector<Piece>{{0, 4, MemoryType::Ram}, {8, 1, MemoryType::Mmio}});
}

/// Pages 1 and 2 are one page of RAM or another, or a hole, and page 0 and the last are never anything else.
TEST_CASE("the map changes while others look things up", "[memory][threads]")
{
    Ram ram{4};
    Ram other{1};
    AddressSpace space;
    auto const low = space.claim(pages(0, 4), ram.contents(), "RAM");
    std::atomic<bool> done{false};
    std::atomic<unsigned> wrong{0};
    auto const reader = [&] {
        auto const& memory = space.memory();
        while (!done) {
            if (memory.page(hv::Gpa{0}) != ram.at(0) || memory.page(hv::Gpa{3 * page}) != ram.at(3)) ++wrong;
            auto const* const changing = memory.page(hv::Gpa{page});
            if (changing && changing != ram.at(1) && changing != other.at(0)) ++wrong;
            auto const found = space.find(hv::Gpa{2 * page});
            if (!found || (found->contents.type != MemoryType::Ram && found->contents.type != MemoryType::Hole))
                ++wrong;
        }
    };
    auto const changer = [&](std::uint64_t number) {
        for (unsigned n = 0; n < 1000; ++n) {
            auto const contents = n % 2 == 0 ? other.contents() : MemoryContents{MemoryType::Hole};
            auto const overlay = space.overlay(pages(number, 1), contents, "overlay");
        }
    };
    std::atomic<unsigned> changers{2};
    auto const change = [&](std::uint64_t number) {
        changer(number);
        if (--changers == 0) done = true;
    };
    hv::testing::run_together({reader, reader, [&] { change(1); }, [&] { change(2); }});
    CHECK(wrong == 0);
    CHECK(space.memory().at(hv::Gpa{0}, 4 * page) == ram.at(0));
}

TEST_CASE("an overlay of several ranges changes in one step, and what did not change is not touched", "[memory]")
{
    Ram ram{16};
    AddressSpace space;
    Recorder recorder;
    auto const low = space.claim(pages(0, 16), ram.contents(), "RAM");
    space.listen(recorder);
    AddressSpace::Claim holes;
    auto const change = [&](std::vector<vmm::MemoryRange> const& ranges) {
        space.change_overlay(holes, ranges, {MemoryType::Hole}, "holes");
    };
    change({pages(2, 1), pages(8, 2)});
    CHECK(recorder.added == std::vector<Piece>{{0, 2, MemoryType::Ram},
                                               {2, 1, MemoryType::Hole},
                                               {3, 5, MemoryType::Ram},
                                               {8, 2, MemoryType::Hole},
                                               {10, 6, MemoryType::Ram}});
    CHECK(space.memory().page(hv::Gpa{8 * page}) == nullptr);

    change({pages(2, 1), pages(8, 2), pages(12, 1)});
    CHECK(recorder.removed == std::vector<Piece>{{10, 6, MemoryType::Ram}});
    CHECK(recorder.added ==
          std::vector<Piece>{{10, 2, MemoryType::Ram}, {12, 1, MemoryType::Hole}, {13, 3, MemoryType::Ram}});
    CHECK(recorder.map == space.sections());

    auto const before = space.sections();
    auto const other = space.overlay(pages(14, 1), {MemoryType::Rom, ram.at(0)}, "a ROM");
    auto const with_rom = space.sections();
    CHECK_THROWS_AS(change({pages(2, 1), pages(14, 1)}), vmm::AddressConflict);
    CHECK_THROWS_AS(change({pages(2, 2), pages(3, 1)}), vmm::AddressConflict); // with itself
    CHECK(space.sections() == with_rom);
    recorder.fails = true;
    CHECK_THROWS_AS(change({pages(2, 1)}), std::bad_alloc);
    CHECK(space.sections() == with_rom);
    recorder.fails = false;

    change({});
    CHECK(space.memory().at(hv::Gpa{0}, 14 * page) == ram.at(0));
    change({pages(5, 1)});
    holes = {};
    CHECK(space.memory().at(hv::Gpa{0}, 14 * page) == ram.at(0));
    space.stop_listening(recorder);
}
