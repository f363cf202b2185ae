/// The process that opens files for a confined Porthole: those that a policy allows, and nothing else.
///
/// A request is one message on a SOCK_SEQPACKET socket, with the socket beside it on which its answer is awaited. So
/// a file system that does not answer keeps nobody else waiting.
#pragma once

#include "vmm/helper/file_policy.hpp"
#include "vmm/host/unique_fd.hpp"

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>

namespace vmm::helper {

struct FileRequest {
    devices::FileAccess access{};
    std::string path;
};

/// The wanted access, four bytes, and the path without its end. Nothing when these bytes are no request.
[[nodiscard]] std::optional<FileRequest> parse_file_request(std::span<std::byte const> bytes);

/// `answer` becomes the server's. Waits until the server takes the request. 0, or an errno: EPIPE when it has ended,
/// and for a path that is none what open(2) would say.
[[nodiscard]] int send_file_request(int socket, FileRequest const& request, UniqueFd answer);

/// Answers requests, each on a thread of its own, 64 at a time at most, until the socket has no other end. Answers
/// are those of messages.hpp: one descriptor, or an errno.
void serve_files(int socket, std::shared_ptr<FilePolicy const> const& policy);

/// Makes the policy in the process that is to keep it, and confines that to its files.
using PreparePolicy = std::function<FilePolicy()>;

/// In a process that has just been forked: gives up everything but `kept`, the descriptors that paths of the policy
/// stand for, and serves until Porthole has gone. Does not return.
[[noreturn]] void run_file_server(UniqueFd socket, std::span<int const> kept, PreparePolicy const& prepare);

} // namespace vmm::helper
