/// A child's address spaces as one of its VPs sees them (TLFS 2.0a §12.4; newest).
#include "hv/abi/child_access.hpp"

#include "hv/abi/vp_calls.hpp"
#include "hv/hypercall/calls/calls.hpp"
#include "hv/hypercall/calls/on_vp.hpp"
#include "hv/hypercall/calls/own_child.hpp"
#include "hv/partition/children.hpp"

#include <algorithm>
#include <bit>
#include <new>

namespace hv::calls {

namespace {

namespace flag = abi::translate_flag;
using abi::RegisterName;

std::uint64_t word(VirtualProcessor& vp, RegisterName name)
{
    auto const value = vp.get_register(name);
    return value ? value->low : 0;
}

bool both(std::uint64_t flags, std::uint64_t one, std::uint64_t other)
{
    return (flags & one) != 0 && (flags & other) != 0;
}

/// What is known, not in contradiction, and says what for.
bool good(std::uint64_t flags)
{
    constexpr auto any_access = flag::validate_read | flag::validate_write | flag::validate_execute;
    constexpr auto known = any_access | flag::privilege_exempt | flag::set_page_table_bits | flag::tlb_flush_inhibit |
                           flag::supervisor_access | flag::user_access | flag::enforce_smap | flag::override_smap;
    constexpr auto vtl = std::uint64_t{0xFF} << flag::input_vtl_shift;
    if ((flags & ~(known | vtl)) != 0 || (flags & any_access) == 0) return false;
    if (!abi::names_vtl0(static_cast<std::uint8_t>(flags >> flag::input_vtl_shift))) return false;
    return !both(flags, flag::supervisor_access, flag::user_access) &&
           !both(flags, flag::enforce_smap, flag::override_smap);
}

/// SS has the privilege level of all modes but the real one, which has no protection.
bool runs_as_user(VirtualProcessor& vp)
{
    constexpr std::uint64_t cr0_pe = 1U << 0;
    constexpr unsigned dpl_shift = 5;
    auto const ss = vp.get_register(RegisterName::Ss);
    if (!ss || (word(vp, RegisterName::Cr0) & cr0_pe) == 0) return false;
    return (std::bit_cast<abi::SegmentRegister>(*ss).attributes >> dpl_shift & 3) == 3;
}

AccessIntent intent_of(VirtualProcessor& vp, std::uint64_t flags)
{
    using enum AccessIntent::Privilege;
    constexpr std::uint64_t alignment_check = 1U << 18; // RFLAGS.AC ends SMAP
    AccessIntent intent{.read = (flags & flag::validate_read) != 0,
                        .write = (flags & flag::validate_write) != 0,
                        .execute = (flags & flag::validate_execute) != 0,
                        .privilege = runs_as_user(vp) ? User : Supervisor,
                        .smap = (word(vp, RegisterName::Rflags) & alignment_check) == 0,
                        .set_marks = (flags & flag::set_page_table_bits) != 0};
    if ((flags & flag::supervisor_access) != 0) intent.privilege = Supervisor;
    if ((flags & flag::user_access) != 0) intent.privilege = User;
    if ((flags & flag::privilege_exempt) != 0) intent.privilege = Exempt;
    if ((flags & flag::enforce_smap) != 0) intent.smap = true;
    if ((flags & flag::override_smap) != 0) intent.smap = false;
    return intent;
}

PagingRegisters paging_of(VirtualProcessor& vp)
{
    constexpr unsigned most_physical_bits = 52;
    auto const bits = vp.partition().processor().physical_address_bits;
    return {.cr0 = word(vp, RegisterName::Cr0),
            .cr3 = word(vp, RegisterName::Cr3),
            .cr4 = word(vp, RegisterName::Cr4),
            .efer = word(vp, RegisterName::Efer),
            .pat = word(vp, RegisterName::Pat),
            .physical_bits = bits == 0 ? most_physical_bits : bits};
}

/// The page of registers of a local APIC that has one.
bool is_apic_page(Partition const& child, std::uint64_t apic_base, std::uint64_t page)
{
    constexpr std::uint64_t enabled = 1U << 11;
    constexpr std::uint64_t x2apic = 1U << 10;
    if (!child.child()->has_local_apics || (apic_base & (enabled | x2apic)) != enabled) return false;
    return page == apic_base / page_size;
}

struct Translated {
    Translation translation{abi::GvaResult::PageNotPresent};
    std::uint64_t apic_base = 0;
};

/// On the VP's thread. InvalidVpState: its tables changed all the while, or it runs, and so its TLB cannot be kept.
Status translate_on(VirtualProcessor& vp, Children const& all, abi::TranslateVirtualAddressInput const& in,
                    Translated& out)
{
    constexpr unsigned page_bits = 12;
    constexpr unsigned page_number_bits = 52;
    bool const inhibits = (in.flags & flag::tlb_flush_inhibit) != 0;
    if (inhibits && (!vp.suspension() || !vp.suspension()->suspended())) return Status::InvalidVpState;
    if (in.page >> page_number_bits == 0) {
        auto const found =
            all.translate(vp.partition(), paging_of(vp), in.page << page_bits, intent_of(vp, in.flags));
        if (!found) return Status::InvalidVpState;
        out.translation = *found;
    }
    out.apic_base = word(vp, RegisterName::ApicBase);
    if (inhibits && out.translation.code == abi::GvaResult::Success) vp.suspension()->inhibit_flushes();
    return Status::Success;
}

Result<abi::TranslateVirtualAddressOutput> translate(Caller const& caller,
                                                     abi::TranslateVirtualAddressInput const& in)
try {
    abi::TranslateVirtualAddressOutput out{};
    auto const status = with_own_child(caller, in.partition, [&](Children& all, Partition& child) {
        if (!child.active()) return Status::InvalidPartitionState;
        if (!good(in.flags)) return Status::InvalidParameter;
        Translated done;
        auto outcome = Status::Success;
        auto const reached = on_vp(caller, child, in.vp_index,
                                   [&](VirtualProcessor& vp) { outcome = translate_on(vp, all, in, done); });
        if (reached != Status::Success) return reached;
        out.result.code = done.translation.code;
        out.page = done.translation.gpa.value / page_size;
        if (out.result.code != abi::GvaResult::Success) return outcome;
        out.result.cache_type = done.translation.cache;
        auto const overlays = child.overlay_pages();
        bool const overlaid = std::ranges::find(overlays, out.page) != overlays.end();
        out.result.overlay = overlaid || is_apic_page(child, done.apic_base, out.page) ? 1 : 0;
        return outcome;
    });
    if (status != Status::Success) return status;
    return out;
} catch (std::bad_alloc const&) {
    return Status::NoResources;
}

/// Whether the access is one that there is (2.0a §12.4.5).
bool good(abi::ReadGpaInput const& in)
{
    auto const type = static_cast<std::uint8_t>(in.flags.cache_type);
    constexpr std::uint32_t types = 1U << 0 | 1U << 1 | 1U << 4 | 1U << 5 | 1U << 6;
    constexpr std::uint8_t most_types = 8;
    if (type >= most_types || (types >> type & 1) == 0) return false;
    if (in.flags.reserved0 != 0 || in.flags.reserved1 != 0 || !abi::names_vtl0(in.flags.input_vtl)) return false;
    if (in.size == 0 || in.size > abi::gpa_access_bytes) return false;
    return in.gpa / page_size < GpaMap::pages && in.gpa % page_size + in.size <= page_size;
}

/// Does `work` with those that the child is among, and the child, when the call is in order.
template <typename Work>
Status access(Caller const& caller, abi::ReadGpaInput const& in, Work const& work)
{
    return with_own_child(caller, in.partition, [&](Children& all, Partition& child) {
        if (!child.active()) return Status::InvalidPartitionState;
        if (!good(in)) return Status::InvalidParameter;
        if (!child.vp(VpIndex{in.vp_index})) return Status::InvalidVpIndex;
        work(all, child);
        return Status::Success;
    });
}

} // namespace

/// HvTranslateVirtualAddress (2.0a §12.4.4; call code 0x0052), with the flags of the newest text.
Result<abi::TranslateVirtualAddressOutput> translate_virtual_address(Caller const& caller,
                                                                     abi::TranslateVirtualAddressInput const& in)
{
    return translate(caller, in);
}

/// HvCallTranslateVirtualAddressEx (newest; call code 0x00AC).
Result<abi::TranslateVirtualAddressExOutput> translate_virtual_address_ex(Caller const& caller,
                                                                          abi::TranslateVirtualAddressInput const& in)
{
    auto const found = translate(caller, in);
    if (!found) return found.status();
    abi::TranslateVirtualAddressExOutput out{};
    out.result = found->result;
    out.page = found->page;
    return out;
}

/// HvReadGpa (2.0a §12.4.5; call code 0x0053). Overlays lie in the pages that they cover; the local APIC's registers
/// are not reached.
Result<abi::ReadGpaOutput> read_gpa(Caller const& caller, abi::ReadGpaInput const& in)
{
    abi::ReadGpaOutput out{};
    auto const status = access(caller, in, [&](Children& all, Partition& child) {
        out.result = all.read(child, Gpa{in.gpa}, std::span{out.data}.first(in.size));
    });
    if (status != Status::Success) return status;
    return out;
}

/// HvWriteGpa (2.0a §12.4.6; call code 0x0054). Likewise.
Result<abi::WriteGpaOutput> write_gpa(Caller const& caller, abi::WriteGpaInput const& in)
{
    abi::WriteGpaOutput out{};
    auto const status = access(caller, in.where, [&](Children& all, Partition& child) {
        out.result = all.write(child, Gpa{in.where.gpa}, std::span{in.data}.first(in.where.size));
    });
    if (status != Status::Success) return status;
    return out;
}

} // namespace hv::calls
