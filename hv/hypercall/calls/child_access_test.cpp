/// HvTranslateVirtualAddress, HvReadGpa, HvWriteGpa (TLFS 2.0a §12.4.4 to §12.4.6; 5.0C §9.4; newest).
#include "hv/abi/child_access.hpp"
#include "hv/testing/catch.hpp"
#include "hv/testing/family.hpp"

#include <numeric>

using namespace hv;
using namespace hv::testing;
using abi::AccessGpaResult;
using abi::CacheType;
using abi::CallCode;
using abi::GvaResult;
using abi::RegisterName;
namespace flag = abi::translate_flag;
namespace rights = abi::map_flag;

namespace {

constexpr auto self = self_partition.value;
constexpr auto directory = Family::free_page;
constexpr auto table = Family::free_page + 1;
constexpr std::uint64_t user_mode = std::uint64_t{0x60} << 48; // of SS: its DPL

/// A child with one VP, whose page tables are the parent's pages: a directory at its page 1, and a table at its
/// page 2, of which entry 5 is asked for.
struct Watched : Family {
    explicit Watched(std::uint32_t directory_rights = rights::readable | rights::writable,
                     std::uint64_t flags = abi::creation_flag::exo_partition)
        : Family{flags}
    {
        REQUIRE(parent.create_vp(id, 0) == Status::Success);
        REQUIRE(status_of(parent.map(id, 1, {directory}, directory_rights)) == Status::Success);
        REQUIRE(status_of(parent.map(id, 2, {table}, rights::readable | rights::writable)) == Status::Success);
        auto& registers = processor().fake.registers;
        registers[RegisterName::Cr0] = {1U << 31 | 1U << 16 | 1, 0};
        registers[RegisterName::Cr3] = {0x1000, 0};
        registers[RegisterName::Pat] = {0x0007'0406'0007'0406, 0};
        registers[RegisterName::Ss] = {0, 0};
        put(directory, 0, 0x2007);
        put(table, 5, 0x9'9007);
    }

    void put(std::uint64_t page, std::uint64_t index, std::uint32_t entry) const
    {
        std::memcpy(parent.guest.ram.get() + page * page_size + index * sizeof entry, &entry, sizeof entry);
    }
    template <typename Output, typename Input>
    [[nodiscard]] Status made(CallCode code, Input const& input, Output& output) const
    {
        if (!parent.guest.memory.write(Gpa{place::input}, input)) return Status::InvalidAlignment;
        auto const control = static_cast<std::uint64_t>(code);
        auto const status = status_of(dispatch(parent.guest.vp(), {{control}, place::input, place::output}));
        REQUIRE(parent.guest.memory.read(Gpa{place::output}, output));
        return status;
    }
    struct Found {
        Status status;
        GvaResult code;
        std::uint64_t page;
        abi::TranslateResult result;
    };
    [[nodiscard]] Found translated(std::uint64_t flags, std::uint64_t page = 5, std::uint32_t vp = 0) const
    {
        abi::TranslateVirtualAddressOutput out{};
        auto const status =
            made(CallCode::TranslateVirtualAddress, abi::TranslateVirtualAddressInput{id, vp, 0, flags, page}, out);
        return {status, out.result.code, out.page, out.result};
    }
    [[nodiscard]] abi::ReadGpaInput at(std::uint64_t gpa, std::uint32_t size) const
    {
        return {id, 0, size, gpa, {CacheType::WriteBack, 0, 0, 0}};
    }
    [[nodiscard]] Status status_of_read(abi::ReadGpaInput const& in) const
    {
        abi::ReadGpaOutput out{};
        return made(CallCode::ReadGpa, in, out);
    }
};

} // namespace

TEST_CASE("HvTranslateVirtualAddress as the VP's tables say (TLFS 2.0a 12.4.4)", "[children]")
{
    Watched const family;
    auto& registers = family.processor().fake.registers;
    auto const found = family.translated(flag::validate_read | flag::validate_write);
    CHECK(found.status == Status::Success);
    CHECK(found.code == GvaResult::Success);
    CHECK(found.page == 0x99);
    CHECK(found.result.cache_type == CacheType::WriteBack);
    CHECK(found.result.overlay == 0);
    CHECK(family.Family::at<std::uint32_t>(directory) == 0x2007);
    CHECK(family.translated(flag::validate_read, 6).code == GvaResult::PageNotPresent);
    CHECK(family.translated(flag::validate_read, 1U << 20).code == GvaResult::PageNotPresent); // beyond 4 GiB
    CHECK(family.translated(flag::validate_read, std::uint64_t{1} << 60 | 5).code == GvaResult::PageNotPresent);

    CHECK(family.translated(flag::validate_read | flag::set_page_table_bits).code == GvaResult::Success);
    CHECK(family.Family::at<std::uint32_t>(directory) == 0x2027);

    family.put(table, 5, 0x9'9001); // neither to be written to, nor for users
    CHECK(family.translated(flag::validate_write).code == GvaResult::PrivilegeViolation);
    registers[RegisterName::Ss] = {0, user_mode};
    CHECK(family.translated(flag::validate_read).code == GvaResult::PrivilegeViolation);
    CHECK(family.translated(flag::validate_read | flag::privilege_exempt).code == GvaResult::Success);
    CHECK(family.translated(flag::validate_read | flag::supervisor_access).code == GvaResult::Success);
    registers[RegisterName::Ss] = {0, 0};
    CHECK(family.translated(flag::validate_read).code == GvaResult::Success);
    CHECK(family.translated(flag::validate_read | flag::user_access).code == GvaResult::PrivilegeViolation);
    registers[RegisterName::Cr4] = {1U << 21, 0}; // SMAP
    family.put(table, 5, 0x9'9007);
    CHECK(family.translated(flag::validate_read).code == GvaResult::PrivilegeViolation);
    CHECK(family.translated(flag::validate_read | flag::override_smap).code == GvaResult::Success);
    registers[RegisterName::Rflags] = {1U << 18, 0}; // AC
    CHECK(family.translated(flag::validate_read).code == GvaResult::Success);
    CHECK(family.translated(flag::validate_read | flag::enforce_smap).code == GvaResult::PrivilegeViolation);

    registers[RegisterName::Cr0] = {1, 0}; // without paging it never fails
    CHECK(family.translated(flag::validate_write, 0x1234).page == 0x1234);
}

TEST_CASE("tables that cannot be accessed (TLFS 2.0a 12.4.4)", "[children]")
{
    Watched const family{rights::readable};
    family.put(directory, 1, 0x7007);
    auto const unmapped = family.translated(flag::validate_read, 0x400);
    CHECK(unmapped.code == GvaResult::GpaUnmapped);
    CHECK(unmapped.page == 7);
    CHECK(family.translated(flag::validate_read).code == GvaResult::Success);
    auto const kept = family.translated(flag::validate_read | flag::set_page_table_bits);
    CHECK(kept.code == GvaResult::GpaNoWriteAccess);
    CHECK(kept.page == 1);
    REQUIRE(status_of(family.parent.map(family.id, 2, {0}, rights::no_access)) == Status::Success);
    auto const closed = family.translated(flag::validate_read);
    CHECK(closed.code == GvaResult::GpaNoReadAccess);
    CHECK(closed.page == 2);
    family.processor().fake.registers[RegisterName::Cr4] = {1U << 5, 0}; // PAE: a pointer with reserved bits
    family.put(directory, 0, 0x2003);
    CHECK(family.translated(flag::validate_read).code == GvaResult::InvalidPageTableFlags);
}

TEST_CASE("overlays are told from other pages, and so are the local APIC's registers (TLFS 2.0a 12.4.4)",
          "[children]")
{
    Watched const family{rights::readable | rights::writable,
                         abi::creation_flag::exo_partition | abi::creation_flag::local_apic};
    family.put(table, 5, 0xFEE0'0007);
    CHECK(family.translated(flag::validate_read).result.overlay == 0);
    auto& base = family.processor().fake.registers[RegisterName::ApicBase];
    base = {0xFEE0'0800, 0};
    CHECK(family.translated(flag::validate_read).result.overlay == 1);
    base = {0xFEE0'0C00, 0}; // x2APIC mode has no page
    CHECK(family.translated(flag::validate_read).result.overlay == 0);
}

TEST_CASE("HvTranslateVirtualAddress: every status (TLFS 2.0a 12.4.4, 5.0C 9.4)", "[children]")
{
    Watched const family;
    CHECK(family.translated(0).status == Status::InvalidParameter);
    CHECK(family.translated(flag::privilege_exempt).status == Status::InvalidParameter);
    for (unsigned bit = 10; bit < 64; ++bit) {
        INFO(bit);
        auto const own_vtl = bit == flag::input_vtl_shift + 4; // "use target", which is 0 then
        auto const target_without_use = bit >= flag::input_vtl_shift && bit < flag::input_vtl_shift + 4;
        auto const expected = own_vtl || target_without_use ? Status::Success : Status::InvalidParameter;
        CHECK(family.translated(flag::validate_read | std::uint64_t{1} << bit).status == expected);
    }
    CHECK(family.translated(flag::validate_read | flag::user_access | flag::supervisor_access).status ==
          Status::InvalidParameter);
    CHECK(family.translated(flag::validate_read | flag::enforce_smap | flag::override_smap).status ==
          Status::InvalidParameter);
    CHECK(family.translated(flag::validate_read, 5, 1).status == Status::InvalidVpIndex);
    abi::TranslateVirtualAddressInput in{self, 0, 0, flag::validate_read, 5};
    abi::TranslateVirtualAddressOutput out{};
    CHECK(family.made(CallCode::TranslateVirtualAddress, in, out) == Status::AccessDenied);
    in.partition = 999;
    CHECK(family.made(CallCode::TranslateVirtualAddress, in, out) == Status::InvalidPartitionId);
    in.partition = family.parent.create().id;
    CHECK(family.made(CallCode::TranslateVirtualAddress, in, out) == Status::InvalidPartitionState);

    abi::TranslateVirtualAddressExOutput wide{};
    in = {family.id, 0, 0, flag::validate_read, 5};
    CHECK(family.made(CallCode::TranslateVirtualAddressEx, in, wide) == Status::Success);
    CHECK(wide.result.code == GvaResult::Success);
    CHECK(wide.result.cache_type == CacheType::WriteBack);
    CHECK(wide.page == 0x99);
    in.flags = 0;
    CHECK(family.made(CallCode::TranslateVirtualAddressEx, in, wide) == Status::InvalidParameter);
}

TEST_CASE("a translation may inhibit TLB flushes until the parent lets go (TLFS 2.0a 10.3.1, 12.1.4)", "[children]")
{
    Watched const family;
    auto const inhibiting = flag::validate_read | flag::tlb_flush_inhibit;
    auto* const vp = family.registry.find(PartitionId{family.id})->vp(VpIndex{0});
    auto const flags = [&] { return vp->get_register(RegisterName::InterceptSuspend)->low; };
    CHECK(family.translated(inhibiting, 6).code == GvaResult::PageNotPresent);
    CHECK(flags() == 0);
    CHECK(family.translated(inhibiting).status == Status::Success);
    CHECK(flags() == 2);
    CHECK(family.set(family.id, 0, RegisterName::InterceptSuspend, 3) == Status::InvalidRegisterValue);
    CHECK(family.set(family.id, 0, RegisterName::ExplicitSuspend, 0) == Status::Success);
    CHECK_FALSE(vp->suspension()->suspended());
    CHECK(family.translated(inhibiting).status == Status::InvalidVpState); // it runs
    family.processor().supervisor->intercepted({.kind = Intercept::Kind::Halt});
    CHECK(flags() == 3);
    CHECK(family.set(family.id, 0, RegisterName::InterceptSuspend, 2) == Status::Success);
    CHECK_FALSE(vp->suspension()->suspended());
    CHECK(family.set(family.id, 0, RegisterName::InterceptSuspend, 0) == Status::Success);
    CHECK(family.set(family.id, 0, RegisterName::InterceptSuspend, 2) == Status::InvalidRegisterValue);
}

TEST_CASE("HvReadGpa and HvWriteGpa (TLFS 2.0a 12.4.5, 12.4.6)", "[children]")
{
    Watched const family;
    std::array<std::uint8_t, 24> bytes{};
    std::iota(bytes.begin(), bytes.end(), std::uint8_t{1});
    auto* const host = family.parent.guest.ram.get() + table * page_size + 0x100;
    std::memcpy(host, bytes.data(), bytes.size());
    for (std::uint32_t offset = 0; offset < 4; ++offset)
        for (std::uint32_t size = 1; size <= 16; ++size) {
            abi::ReadGpaOutput out{};
            REQUIRE(family.made(CallCode::ReadGpa, family.at(0x2100 + offset, size), out) == Status::Success);
            REQUIRE(out.result == AccessGpaResult::Success);
            for (std::uint32_t i = 0; i < 16; ++i)
                REQUIRE(std::to_integer<unsigned>(out.data[i]) == (i < size ? 1 + offset + i : 0));
        }
    abi::WriteGpaInput in{family.at(0x2103, 7), {}};
    in.data.fill(std::byte{0xEE});
    abi::WriteGpaOutput written{};
    CHECK(family.made(CallCode::WriteGpa, in, written) == Status::Success);
    CHECK(written.result == AccessGpaResult::Success);
    for (std::size_t i = 0; i < bytes.size(); ++i)
        CHECK(std::to_integer<unsigned>(host[i]) == (i >= 3 && i < 10 ? 0xEE : bytes[i]));

    abi::ReadGpaOutput out{};
    CHECK(family.made(CallCode::ReadGpa, family.at(0x7000, 4), out) == Status::Success);
    CHECK(out.result == AccessGpaResult::Unmapped);
    in.where = family.at(0x7000, 4);
    CHECK(family.made(CallCode::WriteGpa, in, written) == Status::Success);
    CHECK(written.result == AccessGpaResult::Unmapped);
    REQUIRE(status_of(family.parent.map(family.id, 2, {table}, rights::readable)) == Status::Success);
    in.where = family.at(0x2100, 4);
    CHECK(family.made(CallCode::WriteGpa, in, written) == Status::Success);
    CHECK(written.result == AccessGpaResult::WriteIntercept);
    REQUIRE(status_of(family.parent.map(family.id, 2, {0}, rights::no_access)) == Status::Success);
    CHECK(family.made(CallCode::ReadGpa, family.at(0x2100, 4), out) == Status::Success);
    CHECK(out.result == AccessGpaResult::ReadIntercept);
}

TEST_CASE("HvReadGpa and HvWriteGpa: every status (TLFS 2.0a 12.4.5, 12.4.6)", "[children]")
{
    Watched const family;
    auto const read = [&](auto const& change) {
        auto in = family.at(0x2000, 8);
        change(in);
        abi::WriteGpaOutput out{};
        auto const status = family.status_of_read(in);
        CHECK(family.made(CallCode::WriteGpa, abi::WriteGpaInput{in, {}}, out) == status);
        return status;
    };
    using In = abi::ReadGpaInput;
    CHECK(read([](In&) {}) == Status::Success);
    CHECK(read([](In& in) { in.size = 0; }) == Status::InvalidParameter);
    CHECK(read([](In& in) { in.size = 17; }) == Status::InvalidParameter);
    CHECK(read([](In& in) { in.gpa = 0x2FF9; }) == Status::InvalidParameter);
    CHECK(read([](In& in) { in.gpa = 0x2FF8; }) == Status::Success);
    CHECK(read([](In& in) { in.gpa = GpaMap::pages * page_size; }) == Status::InvalidParameter);
    CHECK(read([](In& in) { in.gpa = ~std::uint64_t{0}; }) == Status::InvalidParameter);
    CHECK(read([](In& in) { in.flags.reserved0 = 1; }) == Status::InvalidParameter);
    CHECK(read([](In& in) { in.flags.reserved1 = 1; }) == Status::InvalidParameter);
    CHECK(read([](In& in) { in.flags.input_vtl = 0x11; }) == Status::InvalidParameter);
    CHECK(read([](In& in) { in.flags.cache_type = static_cast<CacheType>(2); }) == Status::InvalidParameter);
    CHECK(read([](In& in) { in.flags.cache_type = static_cast<CacheType>(0x46); }) == Status::InvalidParameter);
    CHECK(read([](In& in) { in.flags.cache_type = CacheType::Uncached; }) == Status::Success);
    CHECK(read([](In& in) { in.vp_index = 1; }) == Status::InvalidVpIndex);
    CHECK(read([](In& in) { in.vp_index = ~0U; }) == Status::InvalidVpIndex);
    CHECK(read([](In& in) { in.partition = self; }) == Status::AccessDenied);
    CHECK(read([](In& in) { in.partition = 999; }) == Status::InvalidPartitionId);
    auto const young = family.parent.create().id;
    CHECK(read([&](In& in) { in.partition = young; }) == Status::InvalidPartitionState);
}
