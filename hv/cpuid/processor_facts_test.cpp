#include "hv/cpuid/processor_facts.hpp"
#include "hv/testing/catch.hpp"

using namespace hv;

TEST_CASE("processor facts come from CPUID (TLFS 2.0a 5.2.7 to 5.2.10, newest data types)", "[cpuid]")
{
    auto const facts = processor_facts([](std::uint32_t function, std::uint32_t index) -> CpuidLeaf {
        switch (function) {
        case 0: return {0, 0xD, 0x756E'6547, 0x6C65'746E, 0x4965'6E69};
        case 1: return {1, 0, 8U << 8, 1U << 0 | 1U << 13 | 1U << 24 | 1U << 26 | 1U << 28, 0};
        case 7: return {7, index == 1 ? 1U << 12 : 1U, index == 0 ? 1U << 29 : 0, 1U << 22, 1U << 10};
        case 0xD: return {0xD, index == 1 ? 1U : 0U, 0, 0, 0};
        case 0x8000'0001: return {function, 0, 0, 1U << 0, 1U << 30};
        case 0x8000'0008: return {function, 0x3030, 0, 0, 0};
        default: return {};
        }
    });
    CHECK(facts.vendor == 1);
    // SSE3, LAHF, CMPXCHG16B, 3DNow! extensions; of the newest text SHA, RDPID, MdClear
    CHECK(facts.features == (1ULL << 0 | 1ULL << 1 | 1ULL << 8 | 1ULL << 14 | 1ULL << 41 | 1ULL << 57 | 1ULL << 60));
    CHECK(facts.more_features == (1U << 17 | 1U << 21)); // the TSC deadline timer, short REP CMPSB
    CHECK(facts.xsave_features == 7);
    CHECK(facts.cache_line_flush_size == 8);
    CHECK(facts.physical_address_bits == 48);

    auto const nothing = processor_facts([](std::uint32_t, std::uint32_t) { return CpuidLeaf{}; });
    CHECK(nothing.vendor == 0);
    CHECK(nothing.features == 0);
    CHECK(nothing.more_features == 0);
    CHECK(nothing.xsave_features == 0);
}
