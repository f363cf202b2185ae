/// A parent whose child can have VPs, in the words of a test.
#pragma once

#include "hv/abi/msr.hpp"
#include "hv/abi/vp_calls.hpp"
#include "hv/testing/catch.hpp"
#include "hv/testing/child_host.hpp"

#include <cstring>
#include <vector>

namespace hv::testing {

/// A parent whose child is active, and has 16 pages left in its pool.
struct Family {
    static constexpr std::uint64_t simp_page = 0xE;
    static constexpr std::uint64_t free_page = 0xC; ///< this and the next two

    /// `features` of HV_PARTITION_SYNTHETIC_PROCESSOR_FEATURES.
    explicit Family(std::uint64_t flags = abi::creation_flag::exo_partition, ChildLimits limits = {3, 4},
                    std::uint64_t features = 0)
        : parent{registry, Rights::root(), limits}
    {
        id = parent.create({.flags = flags}).id;
        REQUIRE(parent.deposit(id, ParentGuest::spare_pages(48)) == abi::result(Status::Success, 48));
        abi::SetPartitionPropertyInput const rights{id, abi::PartitionProperty::SyntheticProcessorFeatures, 0,
                                                    features};
        REQUIRE(call(parent.guest, abi::CallCode::SetPartitionProperty, rights) == Status::Success);
        REQUIRE(parent.initialize(id) == Status::Success);
        write_msr(parent.guest, abi::msr::scontrol, 1);
        write_msr(parent.guest, abi::msr::simp, simp_page << 12 | 1);
    }

    [[nodiscard]] abi::Message slot() const { return at<abi::Message>(simp_page); }
    template <typename T>
    [[nodiscard]] T at(std::uint64_t page) const
    {
        T out{};
        std::memcpy(&out, parent.guest.ram.get() + page * page_size, sizeof out);
        return out;
    }
    [[nodiscard]] Status set(std::uint64_t partition, std::uint32_t vp, abi::RegisterName name,
                             std::uint64_t value) const
    {
        abi::VpRegistersInput in{};
        in.partition = partition;
        in.vp_index = vp;
        abi::SetRegisterElement element{};
        element.name = name;
        element.value = {value, 0};
        return status_of(rep_call(parent.guest, abi::CallCode::SetVpRegisters, in, std::vector{element}));
    }
    [[nodiscard]] RecordingChildProcessor& processor(std::uint32_t index = 0) const
    {
        return *parent.host.last->processors.at(index);
    }
    [[nodiscard]] Status install(std::uint32_t access, std::uint32_t type, std::uint64_t parameter) const
    {
        return call(parent.guest, abi::CallCode::InstallIntercept,
                    abi::InstallInterceptInput{id, access, static_cast<abi::InterceptType>(type), parameter});
    }
    [[nodiscard]] Status show(std::uint64_t page, std::uint32_t vp = 0, std::uint8_t flags = 1) const
    {
        abi::MapVpStatePageInput const in{id, vp, abi::VpStatePage::InterceptMessage, 0, flags, page};
        if (!parent.guest.memory.write(Gpa{place::input}, in)) return Status::InvalidAlignment;
        auto const control = static_cast<std::uint64_t>(abi::CallCode::MapVpStatePage);
        return status_of(dispatch(parent.guest.vp(), {{control}, place::input, place::output}));
    }

    PartitionRegistry registry;
    ParentGuest parent;
    std::uint64_t id = 0;
};

} // namespace hv::testing
