/// The register page (Linux, include/hyperv/hvhdk.h; TLFS 2.0a §10.1.2).
#include "hv/abi/register_page.hpp"
#include "hv/base/interfaces.hpp"
#include "hv/testing/family.hpp"

using namespace hv;
using namespace hv::testing;
using abi::RegisterName;
namespace register_class = abi::register_class;

namespace {

/// A child's VP, whose register page is shown.
struct ShownVp : Family {
    static constexpr auto page = free_page;

    ShownVp()
    {
        REQUIRE(call(parent.guest, abi::CallCode::CreateVp, abi::CreateVpInput{.partition = id}) == Status::Success);
        auto& registers = processor().fake.registers;
        for (std::uint32_t n = 0; n < 18; ++n)
            registers[static_cast<RegisterName>(static_cast<std::uint32_t>(RegisterName::Rax) + n)] = {0x100 + n, 0};
        for (std::uint32_t n = 0; n < 6; ++n)
            registers[static_cast<RegisterName>(static_cast<std::uint32_t>(RegisterName::Es) + n)] = {n, 0x200 + n};
        registers[RegisterName::Cr0] = {0x300, 0};
        processor().fake.xmm[16] = std::byte{0x44};
        REQUIRE(show_registers() == Status::Success);
    }

    [[nodiscard]] Status show_registers() const
    {
        abi::MapVpStatePageInput const in{id, 0, abi::VpStatePage::Registers, 0, 1, page};
        REQUIRE(parent.guest.memory.write(Gpa{place::input}, in));
        auto const control = static_cast<std::uint64_t>(abi::CallCode::MapVpStatePage);
        return status_of(dispatch(parent.guest.vp(), {{control}, place::input, place::output}));
    }
    [[nodiscard]] abi::RegisterPage registers() const { return at<abi::RegisterPage>(page); }
    void put(abi::RegisterPage const& registers) const
    {
        std::memcpy(parent.guest.ram.get() + page * page_size, &registers, sizeof registers);
    }
    void intercept() const { processor().supervisor->intercepted({.kind = Intercept::Kind::Halt}); }
    [[nodiscard]] std::uint64_t has(RegisterName name) const { return processor().fake.registers.at(name).low; }
    [[nodiscard]] Status resume() const { return set(id, 0, RegisterName::InterceptSuspend, 0); }
};

} // namespace

TEST_CASE("the register page holds what a VP has that was intercepted", "[register_page]")
{
    ShownVp const vp;
    CHECK(vp.registers().is_valid == 0);
    vp.intercept();
    auto const shown = vp.registers();
    CHECK(shown.version == 1);
    CHECK(shown.is_valid == 1);
    CHECK(shown.dirty == 0);
    CHECK(shown.general[15] == 0x10F);
    CHECK(shown.rip == 0x110);
    CHECK(shown.rflags == 0x111);
    CHECK(shown.segments[5] == abi::RegisterValue{5, 0x205}); // GS
    CHECK(shown.xmm[1].low == 0x44);
    CHECK(shown.cr0 == 0x300);
}

TEST_CASE("a VP goes on with what its parent has changed in the register page", "[register_page]")
{
    ShownVp const vp;
    vp.intercept();
    REQUIRE(vp.set(vp.id, 0, RegisterName::ExplicitSuspend, 0) == Status::Success);
    auto changed = vp.registers();
    changed.rip = 0x1000;
    changed.rflags = 0x1001; // not named
    changed.segments[1] = {0x1002, 0};
    changed.cr0 = 0x1003; // never
    changed.dirty = register_class::rip | register_class::segments;
    vp.put(changed);
    CHECK(vp.resume() == Status::Success);
    CHECK(vp.has(RegisterName::Rip) == 0x1000);
    CHECK(vp.has(RegisterName::Rflags) == 0x111);
    CHECK(vp.has(RegisterName::Cs) == 0x1002);
    CHECK(vp.has(RegisterName::Cr0) == 0x300);
    CHECK(vp.registers().is_valid == 0);
    CHECK(vp.registers().dirty == 0);

    changed.rip = 0x2000; // it executes
    vp.put(changed);
    vp.intercept();
    CHECK(vp.resume() == Status::Success);
    CHECK(vp.has(RegisterName::Rip) == 0x1000);
}

TEST_CASE("calls and the register page tell the same", "[register_page]")
{
    ShownVp const vp;
    REQUIRE(vp.set(vp.id, 0, RegisterName::Rip, 0x500) == Status::Success);
    CHECK(vp.registers().is_valid == 1); // it has never run
    CHECK(vp.registers().rip == 0x500);
    auto changed = vp.registers();
    changed.rip = 0x501;
    changed.general[1] = 0x502;
    changed.dirty = register_class::rip | register_class::general;
    vp.put(changed);
    REQUIRE(vp.set(vp.id, 0, RegisterName::Rip, 0x503) == Status::Success); // the later one
    CHECK(vp.registers().rip == 0x503);
    CHECK(vp.registers().dirty == 0);
    CHECK(vp.has(RegisterName::Rip) == 0x503);
    CHECK(vp.processor().fake.registers.at(static_cast<RegisterName>(0x0002'0001)).low == 0x502);
}

TEST_CASE("what a VP cannot have keeps it suspended until the register page is mended", "[register_page]")
{
    ShownVp const vp;
    REQUIRE(vp.set(vp.id, 0, RegisterName::ExplicitSuspend, 0) == Status::Success);
    vp.intercept();
    auto changed = vp.registers();
    changed.dirty = register_class::rflags;
    vp.put(changed);
    vp.processor().fake.takes_values = false;
    CHECK(vp.resume() == Status::InvalidRegisterValue);
    CHECK(vp.resume() == Status::InvalidRegisterValue);
    CHECK(vp.processor().supervisor->suspended());
    changed.dirty = 0;
    vp.put(changed);
    CHECK(vp.resume() == Status::Success);
    CHECK_FALSE(vp.processor().supervisor->suspended());
}

TEST_CASE("a register page that is hidden changes nothing any more", "[register_page]")
{
    ShownVp const vp;
    vp.intercept();
    auto changed = vp.registers();
    abi::UnmapVpStatePageInput const hide{vp.id, 0, abi::VpStatePage::Registers, 0, 0};
    REQUIRE(call(vp.parent.guest, abi::CallCode::UnmapVpStatePage, hide) == Status::Success);
    changed.rip = 0x1000;
    changed.dirty = register_class::rip;
    vp.put(changed);
    CHECK(vp.resume() == Status::Success);
    CHECK(vp.has(RegisterName::Rip) == 0x110);
    CHECK(vp.registers().is_valid == 1); // the parent's own memory
    CHECK(vp.show_registers() == Status::Success);
    CHECK(vp.registers().is_valid == 0);
}
