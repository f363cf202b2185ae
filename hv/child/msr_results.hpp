/// What a child finds of MSRs that there are not, and whose accesses nobody intercepts
/// (HvCallRegisterInterceptResult).
#pragma once

#include "hv/abi/intercept_result.hpp"
#include "hv/abi/status.hpp"

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>

namespace hv {

/// Used by one thread at a time.
class MsrResults {
  public:
    static constexpr std::size_t most = 256;

    /// InvalidParameter: no access, or one that is none, or no such action. NoResources: there are as many as may be.
    /// Throws std::bad_alloc.
    [[nodiscard]] Status add(abi::MsrResult const& result)
    {
        bool const good_action =
            result.action == abi::MsrAction::Fault || result.action == abi::MsrAction::IgnoreWriteReadZero;
        if (!good(result.access) || !good_action) return Status::InvalidParameter;
        if (results_.size() >= most && !results_.contains(result.index)) return Status::NoResources;
        auto& actions = results_[result.index];
        if ((result.access & abi::intercept_access::read_mask) != 0) actions.read = result.action;
        if ((result.access & abi::intercept_access::write_mask) != 0) actions.write = result.action;
        return Status::Success;
    }
    /// InvalidParameter: not an access, or there is nothing of this MSR.
    [[nodiscard]] Status remove(std::uint32_t index, std::uint32_t access)
    {
        auto const found = results_.find(index);
        if (!good(access) || found == results_.end()) return Status::InvalidParameter;
        if ((access & abi::intercept_access::read_mask) != 0) found->second.read.reset();
        if ((access & abi::intercept_access::write_mask) != 0) found->second.write.reset();
        if (!found->second.read && !found->second.write) results_.erase(found);
        return Status::Success;
    }
    [[nodiscard]] std::optional<abi::MsrAction> find(std::uint32_t index, bool is_write) const
    {
        auto const found = results_.find(index);
        if (found == results_.end()) return std::nullopt;
        return is_write ? found->second.write : found->second.read;
    }

  private:
    struct Actions {
        std::optional<abi::MsrAction> read;
        std::optional<abi::MsrAction> write;
    };

    [[nodiscard]] static bool good(std::uint32_t access)
    {
        constexpr auto known = abi::intercept_access::read_mask | abi::intercept_access::write_mask;
        return access != 0 && (access & ~known) == 0;
    }

    std::map<std::uint32_t, Actions> results_;
};

} // namespace hv
