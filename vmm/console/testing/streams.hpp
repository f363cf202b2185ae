/// Pipes, pseudo terminals and the like, for the console's tests.
#pragma once

#include "vmm/host/unique_fd.hpp"

#include <cstddef>
#include <span>
#include <string>
#include <string_view>

namespace vmm::testing {

struct Pipe {
    UniqueFd reader;
    UniqueFd writer;

    Pipe();
};

/// The slave is a terminal with the modes of a new one. It is nobody's controlling terminal.
struct Pty {
    UniqueFd master;
    UniqueFd slave;

    Pty();

    /// A text form of the terminal's modes, to compare.
    [[nodiscard]] std::string modes() const;
    [[nodiscard]] bool is_raw() const;
};

/// A file without a name.
[[nodiscard]] UniqueFd temporary_file(std::string_view content = {});

[[nodiscard]] std::span<std::byte const> bytes_of(std::string_view text);

/// Writes all of it, or throws.
void put(int fd, std::string_view text);

/// Writes into a pipe what it takes without a reader: then it is full. How many bytes that was.
std::size_t fill(int fd);

/// Reads what is there now; waits for the first byte. Empty at the end.
[[nodiscard]] std::string get_some(int fd);

/// Reads until `size` bytes have come or the end has.
[[nodiscard]] std::string get(int fd, std::size_t size);

/// Bytes that wait to be read.
[[nodiscard]] std::size_t readable(int fd);

[[nodiscard]] bool is_nonblocking(int fd);

} // namespace vmm::testing
