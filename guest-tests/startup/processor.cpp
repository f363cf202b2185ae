// What operating systems ask of a processor before they start on it, Windows above all (docs/windows.md).
#include "runtime/hyperv.hpp"
#include "runtime/test.hpp"
#include "runtime/traps.hpp"

using namespace guest;

namespace {

constexpr u32 mcg_cap = 0x179;
constexpr u32 mcg_status = 0x17A;
constexpr u32 mc0_status = 0x401;
constexpr u32 efer = 0xC000'0080;

bool has(u32 bits, unsigned bit)
{
    return bits >> bit & 1;
}

} // namespace

TEST(processor, has_machine_checks, "SDM 17.3; AMD APM vol. 2, 9.3")
{
    auto const features = cpuid(1).edx;
    CHECK(has(features, 7));  // MCE
    CHECK(has(features, 14)); // MCA
    auto const capabilities = try_rdmsr(mcg_cap);
    CHECK(capabilities.ok);
    auto const banks = static_cast<unsigned>(capabilities.value & 0xFF);
    CHECK(banks > 0);
    auto const status = try_rdmsr(mcg_status);
    CHECK(status.ok);
    CHECK_EQ(status.value, 0);
    for (unsigned bank = 0; bank < banks; ++bank) {
        note_position(bank);
        auto const error = try_rdmsr(mc0_status + 4 * bank);
        CHECK(error.ok);
        CHECK_EQ(error.value, 0);
    }
}

TEST(processor, has_memory_types, "SDM 12.11")
{
    CHECK(has(cpuid(1).edx, 12)); // MTRR
    CHECK(has(cpuid(1).edx, 16)); // PAT
}

TEST(processor, has_no_guests_of_its_own, "SDM vol. 2, CPUID; AMD APM vol. 3, appendix E")
{
    CHECK(!has(cpuid(1).ecx, 5));           // VMX
    CHECK(!has(cpuid(0x8000'0001).ecx, 2)); // SVM
    auto const svm = cpuid(0x8000'000A);
    CHECK_EQ(svm.eax | svm.ebx | svm.ecx | svm.edx, 0);
    CHECK(cpuid(0x4000'0000).eax < 0x4000'000A); // nested features
    if (cpuid(0).ecx == 0x444D'4163) {           // "cAMD"
        constexpr u64 svm_enable = 1u << 12;
        CHECK(!try_wrmsr(efer, rdmsr(efer) | svm_enable));
    }
}

TEST(hypervisor, grants_what_windows_needs_and_not_what_it_must_not_have, "Requirements for Implementing, 0x40000003")
{
    auto const features = cpuid(0x4000'0003);
    CHECK(has(features.eax, 5)); // AccessHypercallMsrs
    CHECK(has(features.eax, 6)); // AccessVpIndex
    // CreatePartitions, AccessPartitionId, AccessMemoryPool, AdjustMessageBuffers, CreatePort, AccessStats,
    // CpuManagement and ConfigureProfiler
    constexpr unsigned forbidden[] = {0, 1, 2, 3, 6, 8, 12, 13};
    for (auto const bit : forbidden) {
        note_position(bit);
        CHECK(!has(features.ebx, bit));
    }
    CHECK(has(cpuid(0x4000'0004).eax, 5)); // relaxed timing
}
