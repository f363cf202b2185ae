#include "hv/child/cpuid_results.hpp"

#include <algorithm>

namespace hv {

namespace {

bool same(abi::CpuidResultName const& a, abi::CpuidResultName const& b)
{
    bool const specific = a.subleaf_specific != 0;
    return a.function == b.function && specific == (b.subleaf_specific != 0) && (!specific || a.index == b.index);
}

void put(std::uint32_t& value, std::uint32_t bits, std::uint32_t mask)
{
    value = (value & ~mask) | (bits & mask);
}

void put(abi::CpuidValues& values, abi::CpuidResult const& result)
{
    put(values.eax, result.eax, result.eax_mask);
    put(values.ebx, result.ebx, result.ebx_mask);
    put(values.ecx, result.ecx, result.ecx_mask);
    put(values.edx, result.edx, result.edx_mask);
}

/// A leaf that is not there is one of zeroes.
void apply(std::vector<CpuidEntry>& leaves, abi::CpuidResult const& result)
{
    auto const& name = result.name;
    bool const specific = name.subleaf_specific != 0;
    bool found = false;
    for (auto& leaf : leaves) {
        if (leaf.function != name.function || (specific && leaf.index != name.index)) continue;
        put(leaf.values, result);
        found = true;
    }
    if (found) return;
    CpuidEntry added{name.function, specific ? name.index : 0, specific, {}};
    put(added.values, result);
    leaves.push_back(added);
}

/// VMX and SVM.
std::uint32_t virtualisation_bits(std::uint32_t function)
{
    constexpr std::uint32_t ecx_vmx = 1U << 5;
    constexpr std::uint32_t ecx_svm = 1U << 2;
    if (function == 1) return ecx_vmx;
    return function == 0x8000'0001 ? ecx_svm : 0;
}

} // namespace

abi::CpuidValues find_leaf(std::span<CpuidEntry const> leaves, std::uint32_t function, std::uint32_t index)
{
    auto const found = std::ranges::find_if(leaves, [&](CpuidEntry const& leaf) {
        return leaf.function == function && (!leaf.has_index || leaf.index == index);
    });
    return found == leaves.end() ? abi::CpuidValues{} : found->values;
}

Status CpuidResults::add(abi::CpuidResult const& result)
{
    auto const before = std::ranges::find_if(results_, [&](auto const& r) { return same(r.name, result.name); });
    if (before != results_.end()) {
        *before = result;
        return Status::Success;
    }
    if (results_.size() == most) return Status::NoResources;
    results_.push_back(result);
    return Status::Success;
}

Status CpuidResults::remove(abi::CpuidResultName const& name)
{
    auto const gone = std::erase_if(results_, [&](auto const& r) { return same(r.name, name); });
    return gone != 0 ? Status::Success : Status::InvalidParameter;
}

std::vector<CpuidEntry> CpuidResults::applied_to(std::vector<CpuidEntry> leaves) const
{
    auto const before = leaves;
    for (auto const& result : results_)
        apply(leaves, result);
    for (auto& leaf : leaves) {
        auto const bits = virtualisation_bits(leaf.function);
        put(leaf.values.ecx, find_leaf(before, leaf.function, leaf.index).ecx, bits);
    }
    return leaves;
}

} // namespace hv
