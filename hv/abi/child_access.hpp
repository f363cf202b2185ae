/// Inputs and outputs of the calls by which a parent looks into its child's address spaces (TLFS 2.0a §12.3.4,
/// §12.3.5, §12.4.4 to §12.4.6; 5.0C §9.4; the newest pages). The output of HvCallTranslateVirtualAddressEx is
/// OpenVMM's (hvdef, TranslateVirtualAddressExOutputX64): the newest page gives it 24 bytes, into which its event
/// does not fit.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

namespace hv::abi {

/// HV_TRANSLATE_GVA_CONTROL_FLAGS.
namespace translate_flag {
inline constexpr std::uint64_t validate_read = 1U << 0;
inline constexpr std::uint64_t validate_write = 1U << 1;
inline constexpr std::uint64_t validate_execute = 1U << 2;
inline constexpr std::uint64_t privilege_exempt = 1U << 3;
inline constexpr std::uint64_t set_page_table_bits = 1U << 4;
inline constexpr std::uint64_t tlb_flush_inhibit = 1U << 5;
inline constexpr std::uint64_t supervisor_access = 1U << 6; ///< this and the next (newest)
inline constexpr std::uint64_t user_access = 1U << 7;
inline constexpr std::uint64_t enforce_smap = 1U << 8;
inline constexpr std::uint64_t override_smap = 1U << 9;
inline constexpr unsigned input_vtl_shift = 56;
} // namespace translate_flag

/// HV_TRANSLATE_GVA_RESULT_CODE.
enum class GvaResult : std::uint32_t {
    Success = 0,
    PageNotPresent = 1,
    PrivilegeViolation = 2,
    InvalidPageTableFlags = 3,
    GpaUnmapped = 4,
    GpaNoReadAccess = 5,
    GpaNoWriteAccess = 6,
};

/// HV_CACHE_TYPE.
enum class CacheType : std::uint8_t {
    Uncached = 0,
    WriteCombining = 1,
    WriteThrough = 4,
    WriteProtected = 5,
    WriteBack = 6,
};

struct TranslateVirtualAddressInput { // 0x0052, 0x00AC
    std::uint64_t partition;
    std::uint32_t vp_index;
    std::uint32_t padding;
    std::uint64_t flags;
    std::uint64_t page;
};
static_assert(sizeof(TranslateVirtualAddressInput) == 32);

/// HV_TRANSLATE_GVA_RESULT.
struct TranslateResult {
    GvaResult code;
    CacheType cache_type;
    std::uint8_t overlay;
    std::uint16_t reserved;
};
static_assert(sizeof(TranslateResult) == 8);

struct TranslateVirtualAddressOutput { // of 0x0052
    TranslateResult result;
    std::uint64_t page;
};
static_assert(sizeof(TranslateVirtualAddressOutput) == 16);

struct TranslateVirtualAddressExOutput { // of 0x00AC
    TranslateResult result;
    std::uint64_t reserved0;
    std::uint64_t event[4]; ///< of result code 8 (intercept), which there is not
    std::uint64_t page;
    std::uint64_t reserved1;
};
static_assert(sizeof(TranslateVirtualAddressExOutput) == 64);

/// HV_ACCESS_GPA_CONTROL_FLAGS.
struct AccessGpaFlags {
    CacheType cache_type;
    std::uint8_t input_vtl;
    std::uint16_t reserved0;
    std::uint32_t reserved1;
};
static_assert(sizeof(AccessGpaFlags) == 8);

/// HV_ACCESS_GPA_RESULT_CODE.
enum class AccessGpaResult : std::uint32_t {
    Success = 0,
    Unmapped = 1,
    ReadIntercept = 2,
    WriteIntercept = 3,
};

inline constexpr std::size_t gpa_access_bytes = 16; ///< at most

struct ReadGpaInput { // 0x0053
    std::uint64_t partition;
    std::uint32_t vp_index;
    std::uint32_t size; ///< bytes
    std::uint64_t gpa;
    AccessGpaFlags flags;
};
static_assert(sizeof(ReadGpaInput) == 32 && offsetof(ReadGpaInput, gpa) == 16);

struct ReadGpaOutput {
    AccessGpaResult result;
    std::uint32_t reserved;
    std::array<std::byte, gpa_access_bytes> data;
};
static_assert(sizeof(ReadGpaOutput) == 24);

struct WriteGpaInput { // 0x0054
    ReadGpaInput where;
    std::array<std::byte, gpa_access_bytes> data;
};
static_assert(sizeof(WriteGpaInput) == 48);

struct WriteGpaOutput {
    AccessGpaResult result;
    std::uint32_t reserved;
};
static_assert(sizeof(WriteGpaOutput) == 8);

} // namespace hv::abi
