/// Keeps others out who use the same device at a lower priority, or at the same one by an event.
#pragma once

#include "devices/efi/efi.hpp"

namespace efi {

class Undisturbed {
  public:
    explicit Undisturbed(BootServices& boot) : boot_{boot}, before_{boot.raise_priority(Priority::Notify)} {}
    Undisturbed(Undisturbed const&) = delete;
    Undisturbed& operator=(Undisturbed const&) = delete;
    ~Undisturbed() { boot_.restore_priority(before_); }

  private:
    BootServices& boot_;
    Priority const before_;
};

} // namespace efi
