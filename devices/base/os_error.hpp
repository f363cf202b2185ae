/// What an errno means to the user: above all, which limit was reached and how to raise it.
#pragma once

#include <exception>
#include <string>

namespace devices {

/// The system's own words. For EMFILE, ENFILE, EAGAIN and ENOMEM also what has run out and how to get more,
/// with the limits of this process. No line's end, no final full stop.
[[nodiscard]] std::string os_error(int error);

/// The same for an exception: a std::system_error's code is explained, and a std::bad_alloc is ENOMEM.
[[nodiscard]] std::string os_error(std::exception const& exception);

/// Whether the limits of this process or of this host are why: then nothing else is to blame.
[[nodiscard]] bool is_limit(int error);

} // namespace devices
