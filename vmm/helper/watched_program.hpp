/// A confined program with what it complains of, and its end.
#pragma once

#include "vmm/helper/child_process.hpp"
#include "vmm/helper/confined_program.hpp"
#include "vmm/host/unique_fd.hpp"
#include "vmm/jail/landlock.hpp"

#include <memory>
#include <string>

namespace vmm::helper {

/// For a process of one thread that has nothing else to do. `wanted` is always the socket that keeps the program:
/// when it is readable, or has no other end, nobody wants the program any more.
class WatchedProgram {
  public:
    enum class Became { Ready, Ended, NotWanted };

    /// As start_confined, with its standard error here. One that was started before has ended.
    void start(ConfinedProgram program, jail::Landlock& rules);

    /// Until it says something on `client`, ends, or is not wanted any more. Throws std::system_error.
    [[nodiscard]] Became await(int client, int wanted);

    /// Until it ends: true. Or until it is not wanted any more: then it is given time to write what it has, and
    /// ended.
    [[nodiscard]] bool watch(int wanted);

    /// How it has ended, for which it is waited.
    [[nodiscard]] std::string how_it_ended();
    /// The newest of what it has said, when it has ended.
    [[nodiscard]] std::string const& said() const { return said_; }

  private:
    void let_go();
    void drain_errors();

    std::unique_ptr<ChildProcess> process_;
    UniqueFd errors_; ///< what it writes to its standard error
    std::string said_;
};

} // namespace vmm::helper
