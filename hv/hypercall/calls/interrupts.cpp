/// Interrupts that a guest sends to VPs by hypercall (TLFS 6.0b §10.5).
#include "hv/hypercall/calls/calls.hpp"

#include <bit>

namespace hv::calls {

namespace {

/// §10.5.2, §10.5.3. INVALID_PARAMETER is all the texts have, also for a VTL that is not there.
Status check_cluster_ipi(std::uint32_t vector, std::uint8_t target_vtl)
{
    constexpr std::uint32_t lowest_vector = 0x10;
    constexpr std::uint32_t highest_vector = 0xFF;
    bool const in_range = vector >= lowest_vector && vector <= highest_vector;
    return in_range && abi::names_vtl0(target_vtl) ? Status::Success : Status::InvalidParameter;
}

/// To those of VPs `first` to `first` + 63 that the mask names and that exist.
void send_to_bank(Partition& partition, std::size_t first, std::uint64_t mask, std::uint8_t vector)
{
    auto const indices = partition.vp_indices();
    if (first >= indices) return;
    for (; mask != 0; mask &= mask - 1) {
        auto const place = first + static_cast<unsigned>(std::countr_zero(mask));
        if (place >= indices) return;
        VpIndex const index{static_cast<std::uint32_t>(place)};
        if (partition.vp(index)) partition.interrupts().assert_vector(index, vector, false);
    }
}

} // namespace

/// HvSendSyntheticClusterIpi (§10.5.2; call code 0x000B; may be fast). Offered where CPUID recommends it.
Status send_cluster_ipi(Caller const& caller, abi::SendClusterIpiInput const& in)
{
    if (!caller.partition.rights().has(Recommendation::ClusterIpi)) return Status::InvalidHypercallCode;
    if (auto const status = check_cluster_ipi(in.vector, in.target_vtl); status != Status::Success) return status;

    send_to_bank(caller.partition, 0, in.processor_mask, static_cast<std::uint8_t>(in.vector));
    return Status::Success;
}

/// HvSendSyntheticClusterIpiEx (§10.5.3; call code 0x0015; may be fast). There is a mask for each valid bank, in
/// order.
Status send_cluster_ipi_ex(Caller const& caller, abi::SendClusterIpiExInput const& in,
                           std::span<std::uint64_t const> banks)
{
    auto const& rights = caller.partition.rights();
    if (!rights.has(Recommendation::ClusterIpi) || !rights.has(Recommendation::ExProcessorMasks))
        return Status::InvalidHypercallCode;
    if (auto const status = check_cluster_ipi(in.vector, in.target_vtl); status != Status::Success) return status;
    auto const vector = static_cast<std::uint8_t>(in.vector);

    if (in.format == abi::VpSetFormat::All) {
        for (std::size_t first = 0; first < caller.partition.vp_indices(); first += abi::vps_per_bank)
            send_to_bank(caller.partition, first, ~std::uint64_t{0}, vector);
        return Status::Success;
    }
    if (in.format != abi::VpSetFormat::Sparse) return Status::InvalidParameter;
    if (banks.size() != static_cast<std::size_t>(std::popcount(in.valid_banks))) return Status::InvalidHypercallInput;

    auto bank = banks.begin();
    for (auto valid = in.valid_banks; valid != 0; valid &= valid - 1) {
        auto const number = static_cast<std::size_t>(std::countr_zero(valid));
        send_to_bank(caller.partition, number * abi::vps_per_bank, *bank++, vector);
    }
    return Status::Success;
}

} // namespace hv::calls
