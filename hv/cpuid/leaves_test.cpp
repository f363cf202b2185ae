/// The hypervisor CPUID leaves (TLFS 6.0b §2.4).
#include "hv/cpuid/leaves.hpp"
#include "hv/testing/catch.hpp"

#include <cstring>
#include <string>

using namespace hv;

namespace {

constexpr CpuidLimits limits{.max_vps = 64, .physical_address_bits = 48};

std::string text(std::initializer_list<std::uint32_t> words)
{
    std::string out;
    for (auto const word : words) {
        char bytes[4];
        std::memcpy(bytes, &word, 4);
        out.append(bytes, 4);
    }
    return out;
}

} // namespace

TEST_CASE("the leaves are 0x40000000 to 0x40000006, and the first says so (TLFS 6.0b 2.4)", "[cpuid]")
{
    auto const leaves = hypervisor_leaves(Rights::ordinary(), limits);
    for (std::uint32_t i = 0; i < leaves.size(); ++i)
        CHECK(leaves[i].function == 0x4000'0000 + i);
    CHECK(leaves[0].eax == 0x4000'0006);
    CHECK(text({leaves[0].ebx, leaves[0].ecx, leaves[0].edx}) == "Microsoft Hv");
    CHECK(text({leaves[1].eax}) == "Hv#1");
    CHECK(leaves[2].ebx >> 16 == 10); // major version
}

TEST_CASE("an ordinary guest is offered what it may use, and not ports or its partition ID (TLFS 6.0b 4.2.2)",
          "[cpuid]")
{
    auto const leaf = hypervisor_leaves(Rights::ordinary(), limits)[3];
    CHECK(leaf.eax == 0x0000'8EEF);
    CHECK(leaf.ebx == (1U << 4 | 1U << 5)); // PostMessages, SignalEvents
    CHECK(leaf.ecx == 0);
    CHECK(leaf.edx == (1U << 4 | 1U << 5 | 1U << 8 | 1U << 10 | 1U << 17 | 1U << 18 | 1U << 19));
}

TEST_CASE("the root and a granted guest are offered the rest (TLFS 6.0b 4.2.2)", "[cpuid]")
{
    auto const leaf = hypervisor_leaves(Rights::root(), limits)[3];
    CHECK(leaf.ebx ==
          (1U << 0 | 1U << 1 | 1U << 2 | 1U << 4 | 1U << 5 | 1U << 6 | 1U << 7 | 1U << 17 | 1U << 20 | 1U << 21));
}

TEST_CASE("what is withdrawn is not offered", "[cpuid]")
{
    auto const leaf = hypervisor_leaves(Rights{}, limits)[3];
    CHECK((leaf.eax | leaf.ebx | leaf.ecx | leaf.edx) == 0);
}

TEST_CASE("recommendations and limits (TLFS 6.0b 2.4.5, 2.4.6)", "[cpuid]")
{
    auto const leaves = hypervisor_leaves(Rights::ordinary(), limits);
    CHECK(leaves[4].eax == (1U << 5 | 1U << 9)); // relaxed timing, deprecate auto-EOI; no enlightened TLB flushes
    CHECK(leaves[4].ebx == 0xFFF);               // spin so often, then HvNotifyLongSpinWait
    CHECK(leaves[4].ecx == 48);
    CHECK(leaves[5].eax == 64);
    CHECK((leaves[6].eax | leaves[6].ebx | leaves[6].ecx | leaves[6].edx) == 0);
}

TEST_CASE("the cluster IPI calls are recommended only when they are asked for (TLFS 6.0b 2.4.5)", "[cpuid]")
{
    auto rights = Rights::ordinary();
    rights.set(Recommendation::ClusterIpi, true);
    CHECK(hypervisor_leaves(rights, limits)[4].eax == (1U << 5 | 1U << 9 | 1U << 10));
    rights.set(Recommendation::ExProcessorMasks, true);
    CHECK(hypervisor_leaves(rights, limits)[4].eax == (1U << 5 | 1U << 9 | 1U << 10 | 1U << 11));
}

TEST_CASE("MSRs of the APIC are recommended to those who may access them (TLFS 6.0b 2.4.4, 2.4.5, 4.2.2)", "[cpuid]")
{
    auto rights = Rights::ordinary();
    CHECK((hypervisor_leaves(rights, limits)[3].eax & 1U << 4) == 0);
    CHECK((hypervisor_leaves(rights, limits)[4].eax & 1U << 3) == 0);
    CHECK(apply(rights, feature_names(), "apic-msrs", true));
    CHECK((hypervisor_leaves(rights, limits)[3].eax & 1U << 4) != 0);
    CHECK((hypervisor_leaves(rights, limits)[4].eax & 1U << 3) != 0);
}

TEST_CASE("a TLB flush by hypercall is recommended where there is one, for other VPs only (TLFS 6.0b 2.4.5)",
          "[cpuid]")
{
    auto rights = Rights::ordinary();
    CHECK((hypervisor_leaves(rights, limits)[4].eax & (1U << 1 | 1U << 2)) == 0);
    rights.set(Recommendation::RemoteTlbFlush, true);
    CHECK((hypervisor_leaves(rights, limits)[4].eax & (1U << 1 | 1U << 2)) == 1U << 2);
}
