/// Shorter programs for the kernel.
#pragma once

#include <linux/filter.h>

#include <vector>

namespace vmm::jail {

/// A program that gives the same answers, without what libseccomp leaves in its own: jumps that lead to equal returns
/// lead to one of them, and nothing is asked of no bits. The kernel compiles each step whenever a thread loads the
/// program. `program` is one of libseccomp's.
[[nodiscard]] std::vector<sock_filter> shorten(std::vector<sock_filter> const& program);

} // namespace vmm::jail
