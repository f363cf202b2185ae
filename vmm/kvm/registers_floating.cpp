#include "vmm/kvm/counted_list.hpp"
#include "vmm/kvm/register_groups.hpp"

#include <array>
#include <bit>
#include <cstddef>
#include <cstring>
#include <sys/ioctl.h>

namespace vmm::register_groups {

namespace {

using hv::abi::FpControlStatus;
using hv::abi::XmmControlStatus;

/// What KVM_GET_XSAVE gives: FXSAVE's area, then the XSAVE header (Intel SDM vol. 1 §13.4). KVM_GET_FPU leaves MXCSR
/// out.
class XsaveArea {
  public:
    static constexpr std::size_t control = 0; // FCW, FSW, FTW, FOP, FIP
    static constexpr std::size_t data_pointer = 16;
    static constexpr std::size_t mxcsr = 24;
    static constexpr std::size_t mxcsr_mask = 28;
    static constexpr std::size_t st0 = 32;
    static constexpr std::size_t xmm0 = 160;
    static constexpr std::size_t register_size = 16;

    /// KVM_GET_XSAVE knows areas of 4 KiB only, and fails where the processor has more.
    [[nodiscard]] bool load(int vcpu_fd)
    {
        return ::ioctl(vcpu_fd, kvm_request::get_xsave, words_.data()) == 0 ||
               ::ioctl(vcpu_fd, kvm_request::get_xsave2, words_.data()) == 0;
    }

    /// KVM refuses reserved bits of MXCSR. The components that were in their initial state are so no longer.
    [[nodiscard]] bool save(int vcpu_fd)
    {
        constexpr std::size_t in_use = 512;
        constexpr std::uint64_t x87_and_sse = 3;
        set(in_use, get<std::uint64_t>(in_use) | x87_and_sse);
        return ::ioctl(vcpu_fd, kvm_request::set_xsave, words_.data()) == 0;
    }

    template <typename T>
    [[nodiscard]] T get(std::size_t offset) const
    {
        T value;
        std::memcpy(&value, bytes() + offset, sizeof value);
        return value;
    }
    template <typename T>
    void set(std::size_t offset, T const& value)
    {
        std::memcpy(const_cast<std::byte*>(bytes()) + offset, &value, sizeof value);
    }

  private:
    [[nodiscard]] std::byte const* bytes() const { return reinterpret_cast<std::byte const*>(words_.data()); }

    std::array<std::uint64_t, 2048> words_{}; // no processor has more than 11 KiB
};

enum class Kind { None, Register, Control, XmmControl };

struct Place {
    Kind kind;
    std::size_t offset;
    bool is_x87;
};

Place find(Name name)
{
    using hv::abi::distance;
    if (auto const n = distance(Name::Xmm0, name); n <= distance(Name::Xmm0, Name::Xmm15))
        return {Kind::Register, XsaveArea::xmm0 + n * XsaveArea::register_size, false};
    if (auto const n = distance(Name::FpMmx0, name); n <= distance(Name::FpMmx0, Name::FpMmx7))
        return {Kind::Register, XsaveArea::st0 + n * XsaveArea::register_size, true};
    if (name == Name::FpControlStatus) return {Kind::Control, XsaveArea::control, true};
    if (name == Name::XmmControlStatus) return {Kind::XmmControl, XsaveArea::data_pointer, false};
    return {Kind::None, 0, false};
}

/// Of a processor without XSAVE, to which KVM gives no XCRs: x87, as after a reset (Intel SDM vol. 1 §13.3), which
/// QEMU sets whatever the processor is.
constexpr std::uint64_t xfem_without_xsave = 1;

Result<Value> get_xfem(int vcpu_fd)
{
    kvm_xcrs xcrs{};
    if (::ioctl(vcpu_fd, KVM_GET_XCRS, &xcrs) != 0) return Status::InvalidParameter;
    if (xcrs.nr_xcrs == 0) return Value{xfem_without_xsave, 0};
    return Value{xcrs.xcrs[0].value, 0};
}

Status set_xfem(int vcpu_fd, Value const& value)
{
    kvm_xcrs xcrs{};
    if (::ioctl(vcpu_fd, KVM_GET_XCRS, &xcrs) != 0) return Status::InvalidParameter;
    if (xcrs.nr_xcrs == 0)
        return value == Value{xfem_without_xsave, 0} ? Status::Success : Status::InvalidRegisterValue;
    xcrs.xcrs[0].value = value.low;
    bool const ok = value.high == 0 && ::ioctl(vcpu_fd, KVM_SET_XCRS, &xcrs) == 0;
    return ok ? Status::Success : Status::InvalidRegisterValue;
}

bool well_formed(Place const& place, Value const& value)
{
    constexpr unsigned fp_bits_above_64 = 16;
    if (place.kind == Kind::Register) return !place.is_x87 || value.high >> fp_bits_above_64 == 0;
    return place.kind == Kind::XmmControl || std::bit_cast<FpControlStatus>(value).reserved == 0;
}

} // namespace

Result<Value> get_floating(int vcpu_fd, Name name)
{
    if (name == Name::Xfem) return get_xfem(vcpu_fd);
    auto const place = find(name);
    XsaveArea area;
    if (place.kind == Kind::None || !area.load(vcpu_fd)) return Status::InvalidParameter;
    if (place.kind == Kind::XmmControl)
        return std::bit_cast<Value>(XmmControlStatus{area.get<std::uint64_t>(XsaveArea::data_pointer),
                                                     area.get<std::uint32_t>(XsaveArea::mxcsr),
                                                     area.get<std::uint32_t>(XsaveArea::mxcsr_mask)});
    return area.get<Value>(place.offset);
}

Status set_floating(int vcpu_fd, Name name, Value const& value)
{
    if (name == Name::Xfem) return set_xfem(vcpu_fd, value);
    auto const place = find(name);
    XsaveArea area;
    if (place.kind == Kind::None || !area.load(vcpu_fd)) return Status::InvalidParameter;
    if (!well_formed(place, value)) return Status::InvalidRegisterValue;
    if (place.kind == Kind::XmmControl) { // its mask is the processor's
        auto const wanted = std::bit_cast<XmmControlStatus>(value);
        area.set(XsaveArea::data_pointer, wanted.last_rdp);
        area.set(XsaveArea::mxcsr, wanted.mxcsr);
    } else {
        area.set(place.offset, value);
    }
    return area.save(vcpu_fd) ? Status::Success : Status::InvalidRegisterValue;
}

} // namespace vmm::register_groups
