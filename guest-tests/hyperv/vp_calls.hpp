/// Calls about virtual processors, with lists behind their headers (TLFS 6.0b 7.10, 10.5).
#pragma once

#include "runtime/hyperv.hpp"
#include "runtime/memory.hpp"

namespace guest {

namespace vp {
inline constexpr u64 self_partition = ~u64{0};
inline constexpr u32 self_index = 0xFFFF'FFFE;
} // namespace vp

/// A call's header and what follows it in a page of their own; the output goes to another.
class ListCall {
  public:
    template <typename Header>
    explicit ListCall(Header const& header)
    {
        static_assert(sizeof header % 8 == 0);
        page().fill(0);
        output().fill(0xEE);
        memcpy(page().bytes, &header, sizeof header);
        size_ = sizeof header;
    }

    template <typename Element>
    void add(Element const& element)
    {
        memcpy(page().bytes + size_, &element, sizeof element);
        size_ += sizeof element;
        ++count_;
    }

    /// As a rep call, from `start` on. The whole result value.
    [[nodiscard]] u64 reps(u64 code, u64 start = 0) const
    {
        return hv::hypercall(code | hv::rep_count(count_) | hv::rep_start(start), gpa(&page()), gpa(&output()));
    }
    /// As a call with a header of variable size.
    [[nodiscard]] hv::Status variable(u64 code) const
    {
        return hv::status(hv::hypercall(code | hv::variable_header(count_), gpa(&page())));
    }

    /// Element `index` of the output.
    template <typename Element>
    [[nodiscard]] static Element out(unsigned index)
    {
        Element element{};
        memcpy(&element, output().bytes + index * sizeof element, sizeof element);
        return element;
    }

    static Page& page();
    static Page& output();

  private:
    u64 size_ = 0;
    u64 count_ = 0;
};

/// The VP index of a processor, read there; all ones when it does not answer.
u32 vp_index_of(unsigned cpu);

} // namespace guest
