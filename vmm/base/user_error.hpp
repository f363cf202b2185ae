/// The exception for whatever a user can mend.
#pragma once

#include <stdexcept>

namespace vmm {

/// Something the user can mend: the message is one line and says what and how.
class UserError : public std::runtime_error {
  public:
    using std::runtime_error::runtime_error;
};

} // namespace vmm
