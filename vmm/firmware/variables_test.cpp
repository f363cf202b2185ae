#include "hv/testing/catch.hpp"
#include "vmm/base/user_error.hpp"
#include "vmm/cli/testing/porthole.hpp"
#include "vmm/firmware/testing/images.hpp"
#include "vmm/firmware/variables.hpp"
#include "vmm/host/testing/contains.hpp"

#include <algorithm>
#include <array>
#include <csignal>
#include <filesystem>
#include <functional>
#include <memory>
#include <new>
#include <optional>
#include <random>
#include <sys/wait.h>
#include <unistd.h>

using namespace vmm;
using namespace vmm::firmware;
using namespace vmm::firmware::testing;
using Catch::Matchers::Contains;
using devices::firmware::Flash;
using devices::firmware::flash_block;

namespace {

struct NoWindow final : devices::firmware::FlashWindow {
    void open(bool) override {}
};

std::string complaint(std::string const& original, std::string const& path)
{
    try {
        Variables const variables{bytes(original), path};
    } catch (UserError const& error) {
        return error.what();
    }
    return {};
}

// A firmware's driver for fault-tolerant writes, as far as it matters here (edk2 FaultTolerantWriteDxe): where the
// store lies, its copy, and a word that says how far a rewrite is.
constexpr std::size_t store_blocks = 4;
constexpr std::size_t work = 4 * flash_block;
constexpr std::size_t spare = 8 * flash_block;
constexpr std::size_t image_size = 12 * flash_block;
constexpr std::size_t value_at = 0x800; ///< in each of the store's blocks
constexpr unsigned copied = 0x7F;
constexpr unsigned finished = 0x3F;

class Firmware {
  public:
    using Step = std::function<void()>; ///< after each access; may throw

    Firmware(Variables& variables, Step step)
        : variables_{variables}, flash_{new (place_.data()) Flash{variables, window_}}, step_{std::move(step)}
    {}

    /// Rewrites the whole store, with this value in each block.
    void rewrite(unsigned value)
    {
        auto fresh = contents(0, store_blocks * flash_block);
        for (std::size_t block = 0; block < store_blocks; ++block)
            fresh[block * flash_block + value_at] = static_cast<std::byte>(value);
        for (std::size_t block = 0; block < store_blocks; ++block)
            erase(spare + block * flash_block);
        program(spare, fresh);
        program(work, {static_cast<std::byte>(copied)});
        copy_back();
    }

    /// What the driver does at each start.
    void recover()
    {
        if (contents(work, 1)[0] == static_cast<std::byte>(copied)) copy_back();
    }

    /// The value, when all blocks have the same.
    [[nodiscard]] std::optional<unsigned> value() const
    {
        std::optional<unsigned> found;
        for (std::size_t block = 0; block < store_blocks; ++block) {
            auto const here = std::to_integer<unsigned>(variables_.bytes()[block * flash_block + value_at]);
            if (found && *found != here) return std::nullopt;
            found = here;
        }
        return found;
    }

    /// As if the processor stopped: what waits in the chip is lost.
    void die() { (void)flash_.release(); }

  private:
    struct Destroy {
        void operator()(Flash* flash) const { flash->~Flash(); }
    };

    void copy_back()
    {
        auto const fresh = contents(spare, store_blocks * flash_block);
        for (std::size_t block = 0; block < store_blocks; ++block)
            erase(block * flash_block);
        program(0, fresh);
        program(work, {static_cast<std::byte>(finished)});
        erase(work);
    }

    [[nodiscard]] std::vector<std::byte> contents(std::size_t at, std::size_t size) const
    {
        auto const there = variables_.bytes().subspan(at, size);
        return {there.begin(), there.end()};
    }
    void write(std::size_t at, std::uint64_t value)
    {
        flash_->write(at, 1, value);
        step_();
    }
    void erase(std::size_t at)
    {
        write(at, 0x20);
        write(at, 0xD0);
        write(at, 0xFF);
    }
    /// What is erased already needs no programming.
    void program(std::size_t at, std::vector<std::byte> const& from)
    {
        for (std::size_t n = 0; n < from.size(); ++n) {
            if (from[n] != std::byte{0xFF}) {
                write(at + n, 0x10);
                write(at + n, std::to_integer<unsigned>(from[n]));
            }
            if ((n + 1) % flash_block == 0 || n + 1 == from.size()) write(at + n, 0xFF);
        }
    }

    Variables& variables_;
    NoWindow window_;
    alignas(Flash) std::array<std::byte, sizeof(Flash)> place_{};
    std::unique_ptr<Flash, Destroy> flash_;
    Step step_;
};

struct Stop {};

} // namespace

TEST_CASE("variables that nobody keeps are those of the template", "[nvram]")
{
    auto const original = variables();
    Variables kept{bytes(original)};
    kept.bytes()[0x2000] = std::byte{1};
    kept.keep(0x2000, 1);
    CHECK(std::ranges::equal(Variables{bytes(original)}.bytes(), bytes(original)));
}

TEST_CASE("an NVRAM file is made of the template, and keeps what is programmed", "[nvram]")
{
    vmm::testing::Folder const folder;
    auto const path = folder.path("nvram");
    auto original = variables();
    {
        Variables kept{bytes(original), path};
        CHECK(folder.content("nvram") == original);
        kept.bytes()[0x2345] = std::byte{1};
        kept.keep(0x2345, 1);
        original[0x2345] = 1;
        CHECK(folder.content("nvram") == original); // at once
        CHECK_THAT(complaint(variables(), path), Contains("another guest's at the moment"));
    }
    Variables const again{bytes(variables()), path};
    CHECK(std::ranges::equal(again.bytes(), bytes(original)));
    CHECK(std::distance(std::filesystem::directory_iterator{folder.path("")}, {}) == 1); // nothing is left beside it
}

TEST_CASE("an NVRAM file that is none of this firmware's is refused and left alone", "[nvram]")
{
    vmm::testing::Folder const folder;
    auto const original = variables();
    auto const refusal = [&](std::string const& content) {
        auto const path = folder.file("nvram", content);
        auto const text = complaint(original, path);
        CHECK(folder.content("nvram") == content);
        CHECK(text.find('\n') == std::string::npos);
        return text;
    };
    CHECK(refusal(original).empty());
    CHECK_THAT(refusal(variables(2 * variables_size)), Contains("has 65536 bytes, and this firmware's have 32768"));
    CHECK_THAT(refusal(""), Contains("has 0 bytes"));
    CHECK_THAT(refusal(std::string(variables_size, '\0')), Contains("is corrupt"));
    auto changed = original;
    changed[30] = 1; // the header's checksum is wrong now
    CHECK_THAT(refusal(changed), Contains("is corrupt"));
    changed = original;
    changed[volume_header + 20] = 0; // not formatted
    CHECK_THAT(refusal(changed), Contains("is corrupt"));
    changed = original;
    changed[volume_header] = 0x22; // another format of variables
    CHECK_THAT(refusal(changed), Contains("another firmware's"));
    CHECK_THAT(refusal(code(variables_size)), Contains("is corrupt, or none"));
    CHECK_THAT(complaint(original, folder.path("no/folder")), Contains("cannot make"));
    CHECK_THAT(complaint(original, folder.path("")), Contains("cannot open"));
}

TEST_CASE("wherever a rewrite of all variables is cut off, they are there", "[nvram]")
{
    vmm::testing::Folder const folder;
    auto const path = folder.path("nvram");
    auto const original = variables(image_size);
    unsigned last = 0;
    for (unsigned limit = 0; last == 0; ++limit) {
        std::filesystem::remove(path);
        unsigned steps = 0;
        {
            Variables kept{bytes(original), path};
            Firmware before{kept, [] {}};
            before.rewrite(1);
            Firmware firmware{kept, [&] {
                                  if (++steps > limit) throw Stop{};
                              }};
            try {
                firmware.rewrite(2);
                last = limit;
            } catch (Stop const&) {
                firmware.die();
            }
        }
        Variables kept{bytes(original), path}; // it is whole
        Firmware firmware{kept, [] {}};
        firmware.recover();
        auto const value = firmware.value();
        REQUIRE(value);
        REQUIRE((*value == 1 || *value == 2));
        if (last != 0) CHECK(*value == 2);
    }
    CHECK(last > 100);
}

TEST_CASE("a process that is killed while it rewrites its variables leaves them whole", "[nvram]")
{
    vmm::testing::Folder const folder;
    auto const path = folder.path("nvram");
    auto const original = variables(image_size);
    std::mt19937 random{1};
    for (unsigned round = 0; round < 20; ++round) {
        int ends[2];
        REQUIRE(::pipe(ends) == 0);
        auto const child = ::fork();
        REQUIRE(child >= 0);
        if (child == 0) {
            Variables kept{bytes(original), path};
            Firmware firmware{kept, [&] { (void)!::write(ends[1], "s", 1); }};
            firmware.recover();
            for (unsigned value = 1;; ++value)
                firmware.rewrite(value % 200);
        }
        ::close(ends[1]);
        char step = 0;
        for (auto left = random() % 2000 + 1; left != 0; --left)
            REQUIRE(::read(ends[0], &step, 1) == 1);
        ::kill(child, SIGKILL);
        ::close(ends[0]);
        int status = 0;
        REQUIRE(::waitpid(child, &status, 0) == child);
        Variables kept{bytes(original), path};
        Firmware firmware{kept, [] {}};
        firmware.recover();
        REQUIRE(firmware.value());
    }
}
