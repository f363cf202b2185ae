/// A program of others that is executed with nothing but what it is given.
#pragma once

#include "vmm/helper/child_process.hpp"
#include "vmm/jail/landlock.hpp"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

namespace vmm::helper {

struct ConfinedProgram {
    std::string path;                   ///< absolute, without symbolic links
    std::vector<std::string> arguments; ///< the first is its name
    std::string folder;                 ///< where it begins
    int out = -1;                       ///< standard output; -1: /dev/null
    int error = -1;                     ///< standard error
    int listener = -1;                  ///< descriptor 3, as systemd gives it (sd_listen_fds(3)); -1 for none
    int connection = -1;                ///< descriptor 3 as it is, without a listener; -1 for none
    bool looks_only = false;            ///< writes no file, and does not take long
    std::span<std::byte const> calls{}; ///< what it may ask of the kernel (jail::load_program)
};

/// `rules` have the program's files; its own, and libraries, are added. It ends with this process, which has one
/// thread, no privileges that it needs not, and no_new_privs. Throws std::system_error.
[[nodiscard]] std::unique_ptr<ChildProcess> start_confined(ConfinedProgram const& program, jail::Landlock& rules);

/// The real path of a program in PATH; empty when there is none.
[[nodiscard]] std::string find_program(std::string const& name);

} // namespace vmm::helper
