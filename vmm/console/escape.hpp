/// The console's escape key: what the user says to Porthole, picked out of what they type to the guest.
#pragma once

#include <cstddef>
#include <span>
#include <string_view>
#include <vector>

namespace vmm {

enum class ConsoleCommand { Quit, Help };

/// Ctrl-A x quits, Ctrl-A h asks for help, Ctrl-A a and Ctrl-A Ctrl-A send one Ctrl-A to the guest. Ctrl-A with
/// any other key does nothing.
class EscapeFilter {
  public:
    static constexpr std::byte escape{0x01};

    /// What the user can read about the keys; lines end with CR LF.
    static constexpr std::string_view help = "\r\n"
                                             "Ctrl-A x   end the run\r\n"
                                             "Ctrl-A a   send Ctrl-A to the guest\r\n"
                                             "Ctrl-A h   this help\r\n";

    /// Appends to `to_guest` what is meant for the guest and to `commands` what is meant for Porthole. A sequence may
    /// be spread over several calls.
    void feed(std::span<std::byte const> typed, std::vector<std::byte>& to_guest,
              std::vector<ConsoleCommand>& commands);

  private:
    bool escaped_ = false; // the last byte was the escape key
};

} // namespace vmm
