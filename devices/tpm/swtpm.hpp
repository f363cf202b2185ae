/// A TPM by swtpm, a program that is one by libtpms: over its control channel (swtpm_ioctls(3), for sockets; numbers
/// are big-endian), and a second socket for commands, which it is given by the first.
#pragma once

#include "devices/base/guarded.hpp"
#include "devices/base/unique_fd.hpp"
#include "devices/tpm/backend.hpp"

#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

namespace devices::tpm {

/// The process, as whoever has started it sees it. It ends when the sockets to it are closed.
class SwtpmProcess {
  public:
    SwtpmProcess() = default;
    SwtpmProcess(SwtpmProcess const&) = delete;
    SwtpmProcess& operator=(SwtpmProcess const&) = delete;
    virtual ~SwtpmProcess() = default;

    /// Its control channel. Once.
    [[nodiscard]] virtual UniqueFd take_connection() = 0;
    /// How it has ended, waiting a moment for that: "was ended by signal 9 (Killed)".
    [[nodiscard]] virtual std::string how_it_ended() = 0;
};

/// One thread of its own speaks to swtpm. One that does not answer holds up that thread and nobody else.
class Swtpm final : public Backend {
  public:
    /// How long swtpm may take for one thing, before it counts as lost.
    struct Patience {
        std::chrono::milliseconds to_begin{30'000};
        std::chrono::milliseconds for_command{300'000}; ///< making an RSA key, on a machine that is busy
    };
    /// One line for the user's log. Called on the backend's thread, once at most.
    using Warn = std::function<void(std::string const&)>;

    /// Has swtpm begin, and waits for that. Throws std::runtime_error with one line when it does not, and
    /// std::system_error.
    Swtpm(std::unique_ptr<SwtpmProcess> process, Warn warn, Patience patience);
    Swtpm(std::unique_ptr<SwtpmProcess> process, Warn warn) : Swtpm{std::move(process), std::move(warn), Patience{}}
    {}
    /// Does not wait for what swtpm has under way.
    ~Swtpm() override;

    void reset() override;
    void submit(std::vector<std::byte> command, std::shared_ptr<Waiter> waiter) override;
    void inspect(hv::Inspector& inspector) const override;
    /// False once it is lost.
    [[nodiscard]] bool works() const { return works_.load(); }

  private:
    struct Job {
        std::vector<std::byte> command;
        std::shared_ptr<Waiter> waiter;
    };
    struct Work {
        bool reset = false;
        std::optional<Job> job{};
    };
    using Deadline = std::chrono::steady_clock::time_point;
    class Interrupted;

    void begin();
    void give_data_socket();
    void start_anew(Deadline deadline);
    void control(std::uint32_t command, std::span<std::byte const> body, std::size_t answer_bytes, Deadline deadline);

    void run();
    void rest();
    [[nodiscard]] bool do_work();
    [[nodiscard]] std::vector<std::byte> carry_out(std::span<std::byte const> command);
    void lose(std::string const& why);
    void wake() const;
    void clear() const;

    void send(int fd, std::span<std::byte const> bytes, Deadline deadline);
    void receive(int fd, std::span<std::byte> bytes, Deadline deadline);
    void wait_for(int fd, short events, Deadline deadline);

    std::unique_ptr<SwtpmProcess> const process_;
    Warn const warn_;
    Patience const patience_;
    UniqueFd const event_; ///< there is work, or it is to end
    UniqueFd control_;
    UniqueFd data_;
    Guarded<Work, LockRank::Leaf> work_;
    std::atomic<bool> ending_{false};
    std::atomic<bool> works_{false};
    std::atomic<std::uint64_t> commands_{0};
    std::atomic<std::uint64_t> resets_{0};
    bool used_ = false; ///< since it was initialised; the thread's
    std::thread thread_;
};

} // namespace devices::tpm
