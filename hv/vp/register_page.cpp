#include "hv/vp/register_page.hpp"

#include "hv/abi/register_page.hpp"
#include "hv/base/interfaces.hpp"

#include <cstddef>
#include <cstring>
#include <mutex>
#include <span>

namespace hv {

namespace {

using abi::RegisterName;
using abi::RegisterValue;
namespace register_class = abi::register_class;

/// A run of registers that lie one behind the other.
struct Run {
    RegisterName first;
    std::uint32_t count;
    std::size_t offset;  ///< in the page
    std::size_t size;    ///< of each, in bytes
    std::uint32_t dirty; ///< the class in which a parent says that it has changed one; 0: it cannot

    [[nodiscard]] RegisterName name(std::uint32_t n) const
    {
        return static_cast<RegisterName>(static_cast<std::uint32_t>(first) + n);
    }
};

constexpr std::size_t word = sizeof(std::uint64_t);
constexpr std::size_t two_words = sizeof(RegisterValue);

constexpr Run xmm{RegisterName::Xmm0, 6, offsetof(abi::RegisterPage, xmm), two_words, register_class::xmm};
constexpr Run most[] = {
    {RegisterName::Rax, 16, offsetof(abi::RegisterPage, general), word, register_class::general},
    {RegisterName::Rip, 1, offsetof(abi::RegisterPage, rip), word, register_class::rip},
    {RegisterName::Rflags, 1, offsetof(abi::RegisterPage, rflags), word, register_class::rflags},
    {RegisterName::Es, 6, offsetof(abi::RegisterPage, segments), two_words, register_class::segments},
    {RegisterName::Cr0, 1, offsetof(abi::RegisterPage, cr0), word, 0},
    {RegisterName::Cr3, 1, offsetof(abi::RegisterPage, cr3), word, 0},
    {RegisterName::Cr4, 1, offsetof(abi::RegisterPage, cr4), word, 0},
    {RegisterName::Cr8, 1, offsetof(abi::RegisterPage, cr8), word, 0},
    {RegisterName::Efer, 1, offsetof(abi::RegisterPage, efer), word, 0},
    {RegisterName::Dr7, 1, offsetof(abi::RegisterPage, dr7), word, 0},
    {RegisterName::PendingInterruption, 1, offsetof(abi::RegisterPage, pending_interruption), word, 0},
    {RegisterName::InterruptState, 1, offsetof(abi::RegisterPage, interrupt_state), word, 0},
    {RegisterName::Xfem, 1, offsetof(abi::RegisterPage, xfem), word, 0},
};

std::byte* place(abi::RegisterPage& registers, Run const& run, std::uint32_t n)
{
    return reinterpret_cast<std::byte*>(&registers) + run.offset + n * run.size;
}

abi::RegisterPage registers_of(VpControl const& control)
{
    abi::RegisterPage out{};
    out.version = abi::RegisterPage::current_version;
    out.is_valid = 1;
    for (auto const& run : most) {
        for (std::uint32_t n = 0; n < run.count; ++n) {
            auto const value = control.get_register(run.name(n));
            if (value) std::memcpy(place(out, run, n), &*value, run.size);
        }
    }
    (void)control.read_xmm(std::as_writable_bytes(std::span{out.xmm}).first<sizeof out.xmm>());
    return out;
}

Status set_run(VpControl& control, abi::RegisterPage& from, Run const& run)
{
    if ((from.dirty & run.dirty) == 0) return Status::Success;
    for (std::uint32_t n = 0; n < run.count; ++n) {
        RegisterValue value{};
        std::memcpy(&value, place(from, run, n), run.size);
        auto const status = control.set_register(run.name(n), value);
        if (status != Status::Success) return status;
    }
    return Status::Success;
}

constexpr std::size_t header_size = offsetof(abi::RegisterPage, general);

} // namespace

Status RegisterPage::show(GuestMemory const& memory, Gpa gpa)
{
    std::lock_guard const guard{lock_};
    if (page_.host()) return Status::InvalidVpState;
    if (!page_.map(memory, gpa)) return Status::InvalidParameter;
    abi::RegisterPage const none{};
    page_.write(&none, sizeof none);
    is_shown_.store(true);
    return Status::Success;
}

Status RegisterPage::hide()
{
    std::lock_guard const guard{lock_};
    if (!page_.host()) return Status::InvalidVpState;
    is_shown_.store(false);
    is_open_.store(false);
    page_.unmap();
    return Status::Success;
}

void RegisterPage::open(VpControl const& control)
{
    if (!is_shown()) return;
    auto const registers = registers_of(control);
    std::lock_guard const guard{lock_};
    if (!page_.host()) return;
    page_.write(&registers, sizeof registers);
    is_open_.store(true);
}

/// All is copied once, and only then looked at. A parent that changes the page meanwhile may lose that.
Status RegisterPage::take_changes(VpControl& control)
{
    if (!is_open()) return Status::Success;
    abi::RegisterPage changed{};
    {
        std::lock_guard const guard{lock_};
        if (!page_.host()) return Status::Success;
        copy_from_shared(&changed, page_.host(), sizeof changed);
    }
    if (changed.dirty == 0) return Status::Success;
    auto status = set_run(control, changed, xmm);
    for (auto const& run : most)
        if (status == Status::Success) status = set_run(control, changed, run);
    if (status == Status::Success) open(control);
    return status;
}

void RegisterPage::close()
{
    if (!is_open()) return;
    std::lock_guard const guard{lock_};
    is_open_.store(false);
    abi::RegisterPage const none{};
    page_.write(&none, header_size);
}

} // namespace hv
