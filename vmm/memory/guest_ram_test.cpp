#include "hv/testing/catch.hpp"
#include "vmm/base/user_error.hpp"
#include "vmm/memory/guest_ram.hpp"

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <filesystem>
#include <fstream>
#include <string>
#include <sys/mman.h>
#include <sys/resource.h>
#include <tuple>
#include <unistd.h>

using vmm::GuestRam;
using vmm::MemoryLayout;
using vmm::RamSharing;
namespace layout = vmm::layout;

namespace {

std::string maps_line_of(std::byte const* address)
{
    std::ifstream maps{"/proc/self/maps"};
    for (std::string line; std::getline(maps, line);) {
        if (std::stoull(line, nullptr, 16) == reinterpret_cast<std::uintptr_t>(address)) return line;
    }
    return {};
}

/// What a user is told who asks for so much, or nothing.
std::string refusal_of(std::uint64_t bytes)
{
    try {
        GuestRam const ram{MemoryLayout{bytes}, RamSharing::Always};
        return {};
    } catch (vmm::UserError const& error) {
        return error.what();
    }
}

/// Sets the soft limit for the life of this object.
class Limited {
  public:
    Limited(int resource, rlim_t most) : resource_{static_cast<__rlimit_resource>(resource)}
    {
        REQUIRE(::getrlimit(resource_, &before_) == 0);
        rlimit const limited{most, before_.rlim_max};
        REQUIRE(::setrlimit(resource_, &limited) == 0);
    }
    ~Limited() { ::setrlimit(resource_, &before_); }
    Limited(Limited const&) = delete;
    Limited& operator=(Limited const&) = delete;

  private:
    __rlimit_resource const resource_;
    rlimit before_{};
};

} // namespace

TEST_CASE("guest RAM lies on both sides of the MMIO hole, and begins at a huge page", "[memory]")
{
    GuestRam const ram{MemoryLayout{4 * layout::gib}};

    REQUIRE(ram.ranges().size() == 2);
    auto const& [low, high] = std::tie(ram.ranges()[0], ram.ranges()[1]);
    CHECK(low.guest == vmm::MemoryRange{hv::Gpa{0}, 3 * layout::gib});
    CHECK(high.guest == vmm::MemoryRange{hv::Gpa{4 * layout::gib}, layout::gib});
    CHECK(high.offset == 3 * layout::gib);
    for (auto const& range : ram.ranges())
        CHECK(reinterpret_cast<std::uintptr_t>(range.host) % (2 * layout::mib) == 0);
}

TEST_CASE("what is written to guest RAM shows in another mapping of its file", "[memory]")
{
    GuestRam const ram{MemoryLayout{4 * layout::gib}, RamSharing::Always};
    auto const& high = ram.ranges()[1];
    auto* const again = static_cast<char*>(::mmap(nullptr, hv::page_size, PROT_READ | PROT_WRITE, MAP_SHARED,
                                                  ram.fd(), static_cast<off_t>(high.offset)));
    REQUIRE(again != MAP_FAILED);

    std::memcpy(high.host, "there", 6);
    CHECK(std::strcmp(again, "there") == 0);
    std::memcpy(again, "back!", 6);
    CHECK(std::strcmp(reinterpret_cast<char const*>(high.host), "back!") == 0);
    ::munmap(again, hv::page_size);
}

TEST_CASE("guest RAM that is discarded has zeros, and what lies beside it stays", "[memory]")
{
    GuestRam const ram{MemoryLayout{8 * layout::mib}, GENERATE(RamSharing::Always, RamSharing::WhenFree)};
    auto* const first = ram.ranges()[0].host;
    std::memset(first, 7, 4 * hv::page_size);
    REQUIRE(ram.discard(first + hv::page_size, 2 * hv::page_size));
    CHECK(first[0] == std::byte{7});
    CHECK(first[hv::page_size] == std::byte{0});
    CHECK(first[3 * hv::page_size - 1] == std::byte{0});
    CHECK(first[3 * hv::page_size] == std::byte{7});
    first[hv::page_size] = std::byte{9};
    CHECK(first[hv::page_size] == std::byte{9});
}

TEST_CASE("the file of guest RAM keeps its size, has a name, and stays in this process", "[memory]")
{
    GuestRam const ram{MemoryLayout{8 * layout::mib}, RamSharing::Always};

    CHECK(::ftruncate(ram.fd(), 0) != 0);
    CHECK(errno == EPERM);
    CHECK(::ftruncate(ram.fd(), 16 * layout::mib) != 0);
    CHECK((::fcntl(ram.fd(), F_GETFD) & FD_CLOEXEC) != 0);
    CHECK(maps_line_of(ram.ranges()[0].host).ends_with("/memfd:guest-ram (deleted)"));
}

TEST_CASE("guest RAM is a file where that costs no huge pages", "[memory]")
{
    GuestRam const ram{MemoryLayout{8 * layout::mib}};
    CHECK((ram.fd() < 0) == vmm::files_lack_huge_pages());
    ram.ranges()[0].host[0] = std::byte{1};
    ram.ranges()[0].host[ram.ranges()[0].guest.size - 1] = std::byte{1};
}

TEST_CASE("files in memory lack huge pages where only private memory has them", "[memory]")
{
    char folder[] = "/tmp/porthole-test-XXXXXX";
    REQUIRE(::mkdtemp(folder));
    auto const lack = [&](std::string const& of_private, std::string const& of_files) {
        std::ofstream{std::string{folder} + "/enabled"} << of_private << '\n';
        std::ofstream{std::string{folder} + "/shmem_enabled"} << of_files << '\n';
        return vmm::files_lack_huge_pages(folder);
    };
    CHECK_FALSE(vmm::files_lack_huge_pages(folder)); // a kernel without huge pages
    CHECK(lack("always [madvise] never", "always within_size advise [never] deny force"));
    CHECK(lack("[always] madvise never", "always within_size advise never [deny] force"));
    CHECK_FALSE(lack("always [madvise] never", "always within_size [advise] never deny force"));
    CHECK_FALSE(lack("always madvise [never]", "always within_size advise [never] deny force"));
    std::filesystem::remove_all(folder);
}

TEST_CASE("guest RAM beyond a limit of the process is refused with what to do", "[memory]")
{
    SECTION("of the size of files")
    {
        Limited const limited{RLIMIT_FSIZE, 16 * layout::mib};
        auto const refusal = refusal_of(32 * layout::mib);
        CHECK(refusal.starts_with("cannot map 32 MiB of guest memory"));
        CHECK(refusal.find("ulimit -f") != std::string::npos);
        CHECK(refusal.ends_with("give --memory less"));
        CHECK(refusal_of(16 * layout::mib).empty());
    }
    SECTION("of private memory, which guest RAM counts as when it is made")
    {
        Limited const limited{RLIMIT_DATA, 256 * layout::mib};
        auto const refusal = refusal_of(layout::gib);
        CHECK(refusal.starts_with("cannot map 1024 MiB of guest memory"));
        CHECK(refusal.ends_with("give --memory less"));
    }
}
