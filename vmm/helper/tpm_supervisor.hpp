/// The process that has a TPM for a guest: it starts a confined swtpm, and watches it.
#pragma once

#include "vmm/host/unique_fd.hpp"

#include <string>
#include <string_view>

namespace vmm::helper {

/// Its whole life, in a fresh process of one thread. The state is kept in `folder`, which is made when it is missing.
/// What becomes of swtpm is told on `socket`, as of an image's server (server_news.hpp). When that has no other
/// end any more, Porthole has let go of the TPM, or has ended itself: then swtpm ends too.
void supervise_tpm(UniqueFd socket, std::string const& folder);

/// What swtpm complains of, in its words: what it says first.
[[nodiscard]] std::string complaint_of_swtpm(std::string_view said);

} // namespace vmm::helper
