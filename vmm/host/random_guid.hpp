/// GUIDs that nobody has had before.
#pragma once

#include "hv/abi/guid.hpp"

namespace vmm {

/// 128 random bits of the kernel's, with the version and the variant of RFC 9562 §5.4 in their places. Throws
/// std::system_error. From any thread that may call getrandom(2).
[[nodiscard]] hv::vmbus::Guid random_guid();

} // namespace vmm
