// What CPUID says of sockets, cores and threads (Intel SDM vol. 2 "CPUID", vol. 3 §9.9; AMD APM vol. 3, appendix E).
#include "hv/testing/catch.hpp"
#include "vmm/vcpu/guest_cpuid.hpp"

#include <algorithm>
#include <stdexcept>

using namespace vmm;

namespace {

/// A processor with caches of both makers' leaves, shared by as many threads as a host may have.
class Processor final : public Hypervisor {
  public:
    [[nodiscard]] std::unique_ptr<Vm> create_vm(VmConfig const&) const override
    {
        throw std::logic_error{"no machine is made"};
    }
    [[nodiscard]] unsigned max_vcpus() const override { return 254; }
    [[nodiscard]] AccelerationOffer acceleration() const override { return {}; }
    [[nodiscard]] std::vector<CpuidEntry> supported_cpuid() const override { return leaves; }

    std::vector<CpuidEntry> leaves{
        {.function = 1, .ebx = 0x5577'0800, .edx = 1U << 12},
        {.function = 4, .index = 0, .has_index = true, .eax = host | 0x121},
        {.function = 4, .index = 1, .has_index = true, .eax = host | 0x163},
        {.function = 4, .index = 2, .has_index = true, .eax = 0},
        {.function = 0xB, .index = 0, .has_index = true, .eax = 1, .ebx = 2, .ecx = 0x100, .edx = 77},
        {.function = 0x1F, .index = 0, .has_index = true, .eax = 1, .ebx = 2, .ecx = 0x100, .edx = 77},
        {.function = 0x8000'0008, .eax = 0x3028, .ecx = 0x703F},
        {.function = 0x8000'001D, .index = 0, .has_index = true, .eax = host | 0x121},
        {.function = 0x8000'001E, .eax = 77, .ebx = 0x199, .ecx = 0x703}};

  private:
    static constexpr std::uint32_t host = 0xFC00'0000 | 15U << 14;
};

struct Vp {
    std::vector<CpuidEntry> leaves;

    Vp(GuestCpuid::Shape const& shape, std::uint32_t index, Processor const& processor = {})
        : leaves{GuestCpuid{processor, hv::Rights::ordinary(), shape}.for_apic_id(index)}
    {}

    [[nodiscard]] CpuidEntry leaf(std::uint32_t function, std::uint32_t index = 0) const
    {
        auto const found = std::ranges::find_if(
            leaves, [&](auto const& entry) { return entry.function == function && entry.index == index; });
        return found == leaves.end() ? CpuidEntry{} : *found;
    }
};

constexpr GuestCpuid::Shape two_sockets{.vps = 16, .topology = {2, 2}}; // of four cores with two threads each

} // namespace

TEST_CASE("an APIC ID says thread, core and socket", "[cpuid]")
{
    for (std::uint32_t const index : {0U, 5U, 15U}) {
        Vp const vp{two_sockets, index};
        auto const threads = vp.leaf(0xB, 0);
        CHECK(threads.eax == 1); // bits up to the core
        CHECK(threads.ebx == 2);
        CHECK(threads.ecx == 0x100);
        CHECK(threads.edx == index);
        auto const cores = vp.leaf(0xB, 1);
        CHECK(cores.eax == 3); // bits up to the socket
        CHECK(cores.ebx == 8);
        CHECK(cores.ecx == 0x201);
        CHECK(cores.edx == index);
        CHECK(vp.leaf(0x1F).ebx == 0); // the host's is not shown
        auto const features = vp.leaf(1);
        CHECK(features.ebx == (index << 24 | 8U << 16 | 0x0800));
        CHECK((features.edx >> 28 & 1) == 1);
    }
}

TEST_CASE("a core's threads share its caches", "[cpuid]")
{
    Vp const vp{two_sockets, 3};
    for (std::uint32_t const index : {0U, 1U}) {
        CHECK((vp.leaf(4, index).eax >> 14 & 0xFFF) == 1); // two threads
        CHECK(vp.leaf(4, index).eax >> 26 == 3);           // four cores of a socket
    }
    CHECK((vp.leaf(4, 0).eax & 0x3FFF) == 0x121);
    CHECK(vp.leaf(4, 2).eax == 0); // no cache, and so nothing else
    CHECK((vp.leaf(0x8000'001D).eax >> 14 & 0xFFF) == 1);
}

TEST_CASE("AMD's leaves say the same", "[cpuid]")
{
    Vp const vp{two_sockets, 13};
    CHECK(vp.leaf(0x8000'0008).ecx == (3U << 12 | 7));
    auto const extended = vp.leaf(0x8000'001E);
    CHECK(extended.eax == 13);
    CHECK(extended.ebx == (1U << 8 | 6)); // two threads a core; core 6
    CHECK(extended.ecx == 1);             // the second socket is the second node
}

TEST_CASE("a processor of AMD's that knows no threads gets the leaf that tells of them", "[cpuid]")
{
    Processor old;
    old.leaves = {{.function = 0, .eax = 1, .ebx = 0x6874'7541, .ecx = 0x444D'4163, .edx = 0x6974'6E65},
                  {.function = 0x8000'0000, .eax = 0x8000'0008},
                  {.function = 0x8000'0001, .ecx = 1}};
    Vp const vp{two_sockets, 13, old};
    CHECK(vp.leaf(0x8000'0000).eax == 0x8000'001E);
    CHECK(vp.leaf(0x8000'0001).ecx == (1U << 22 | 1));
    CHECK(vp.leaf(0x8000'001E).ebx == (1U << 8 | 6));

    Vp const without{{.vps = 2}, 1, old};
    CHECK(without.leaf(0x8000'0000).eax == 0x8000'0008);
    CHECK(without.leaf(0x8000'0001).ecx == 1);
    CHECK(without.leaf(0x8000'001E).eax == 0);
}

TEST_CASE("without a topology each processor is a core of one socket", "[cpuid]")
{
    Vp const vp{{.vps = 6}, 4};
    CHECK(vp.leaf(0xB, 0).eax == 0);
    CHECK(vp.leaf(0xB, 0).ebx == 1);
    CHECK(vp.leaf(0xB, 1).eax == 3);
    CHECK(vp.leaf(0xB, 1).ebx == 6);
    CHECK(vp.leaf(1).ebx == (4U << 24 | 8U << 16 | 0x0800));
    CHECK(vp.leaf(4).eax >> 26 == 7);
    CHECK((vp.leaf(4).eax >> 14 & 0xFFF) == 0);
    CHECK(vp.leaf(0x8000'0008).ecx == (3U << 12 | 5));
    CHECK(vp.leaf(0x8000'001E).ebx == 4);
    CHECK((Vp{{.vps = 1}, 0}.leaf(1).edx >> 28 & 1) == 0);
}
