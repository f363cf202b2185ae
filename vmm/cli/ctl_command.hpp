/// `porthole ctl`, as it is written on the command line.
#pragma once

#include "vmm/control/request.hpp"

#include <CLI/CLI.hpp>

#include <string>
#include <vector>

namespace vmm {

/// What `porthole ctl` was asked to do.
struct CtlRequest {
    std::string path{}; ///< of the control socket
    control::Request request{};
    bool json = false;
};

/// Its options, before they become a CtlRequest.
class CtlCommand {
  public:
    explicit CtlCommand(CLI::App& app);
    CtlCommand(CtlCommand const&) = delete;
    CtlCommand& operator=(CtlCommand const&) = delete;

    [[nodiscard]] CLI::App const& command() const { return command_; }
    /// Throws UserError.
    [[nodiscard]] CtlRequest finished() const;

  private:
    std::vector<std::string> words_{};
    std::string guest_{};
    bool json_ = false;
    CLI::App& command_;
};

} // namespace vmm
