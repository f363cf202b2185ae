/// Runs of the real executable, as a user would start it.
#pragma once

#include "vmm/host/unique_fd.hpp"

#include <filesystem>
#include <functional>
#include <string>
#include <sys/types.h>
#include <vector>

namespace vmm::testing {

struct Outcome {
    int status; ///< -1: ended by a signal
    std::string out;
    std::string err;
};

enum class Stdout { Captured, Closed, Full };

/// The folder of the executables: the tests' and Porthole's are built into one.
[[nodiscard]] std::filesystem::path build_folder();

/// Runs it to its end, with standard output and error going to files.
[[nodiscard]] Outcome porthole(std::vector<std::string> arguments, Stdout where = Stdout::Captured);

/// Exit status 2, one line on standard error that contains `about`, and nothing on standard output.
void check_is_one_complaint(Outcome const& outcome, std::string const& about);

/// Runs a command line of bash to its end, with "$porthole" and "$puppet" in its environment.
[[nodiscard]] Outcome shell(std::string const& script);

enum class Stderr {
    Read,
    Stalled, ///< its pipe is full already, and nobody reads it until end()
};

/// A run that a test talks to. Its standard streams are pipes, unless it is told otherwise.
class Process {
  public:
    struct How {
        Stderr error = Stderr::Read;
        std::string program = "porthole"; ///< or another executable that was built beside it
        int input = -1;                   ///< a descriptor for standard input, instead of the pipe
        std::function<void()> before{};   ///< what its process does first
    };

    explicit Process(std::vector<std::string> const& arguments) : Process(arguments, How{}) {}
    Process(std::vector<std::string> const& arguments, How const& how);
    Process(Process const&) = delete;
    Process& operator=(Process const&) = delete;
    ~Process();

    void type(std::string const& text) const;
    void signal(int number) const;
    [[nodiscard]] pid_t pid() const { return pid_; }
    /// Nobody reads its standard output any more.
    void close_output() { out_.reset(); }

    /// Reads until the text has come; everything that came on that stream so far.
    std::string const& await_output(std::string const& text) { return await(out_.get(), seen_out_, text); }
    std::string const& await_error(std::string const& text) { return await(err_.get(), seen_err_, text); }

    /// Waits for its end. What came since the start.
    [[nodiscard]] Outcome end();

  private:
    static std::string const& await(int fd, std::string& seen, std::string const& text);

    UniqueFd in_;
    UniqueFd out_;
    UniqueFd err_;
    std::string seen_out_;
    std::string seen_err_;
    pid_t pid_ = -1;
};

/// A folder for one test, gone at its end.
class Folder {
  public:
    Folder();
    Folder(Folder const&) = delete;
    Folder& operator=(Folder const&) = delete;
    ~Folder() { std::filesystem::remove_all(path_); }

    [[nodiscard]] std::string path(std::string const& name) const { return (path_ / name).string(); }
    /// Writes a file; its path.
    std::string file(std::string const& name, std::string const& content) const;
    /// What is in a file; empty when there is none.
    [[nodiscard]] std::string content(std::string const& name) const;

  private:
    std::filesystem::path path_;
};

} // namespace vmm::testing
