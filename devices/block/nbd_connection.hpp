/// One connection to an NBD server, by libnbd.
#pragma once

#include "devices/block/backend.hpp"
#include "devices/block/nbd_library.hpp"

#include <chrono>
#include <cstdint>
#include <string>
#include <unordered_set>
#include <utility>
#include <vector>

namespace devices::block {

/// For one thread. Whatever it was given is completed by `drive` or, at its end, by `~NbdConnection`.
class NbdConnection {
  public:
    NbdConnection() = default;
    NbdConnection(NbdConnection const&) = delete;
    NbdConnection& operator=(NbdConnection const&) = delete;
    /// Completes with Unreachable what is under way.
    ~NbdConnection();

    /// Waits until the server is ready, or until `wake`, a descriptor, can be read. An empty text, or what is wrong.
    [[nodiscard]] std::string connect(std::string const& uri, int wake, std::chrono::milliseconds limit);

    /// Of the export, once connected.
    [[nodiscard]] Properties properties() const;

    void begin(Request& request);
    /// Waits until something happens on the connection or `wake`; completes what has ended. False when the server is
    /// gone.
    [[nodiscard]] bool drive(int wake);

    /// Whether writes were answered that may not be on the server's medium.
    [[nodiscard]] bool has_unflushed_writes() const { return written_ > flushed_; }

    /// Says goodbye, waiting a moment at most.
    void disconnect();

  private:
    struct Command;

    [[nodiscard]] bool wait(int wake, int timeout_ms, bool& woken);
    void start(Request& request);
    void finish(Request& request, Result result);
    void finish_ended();
    static int ended(void* command, int* error);

    nbd_handle* handle_ = nullptr;
    std::unordered_set<Request*> under_way_;
    std::vector<std::pair<Request*, Result>> ended_; ///< not finished yet
    std::uint64_t written_ = 0;                      ///< writes that were answered
    std::uint64_t flushed_ = 0;                      ///< and those of them before a flush that was answered
};

} // namespace devices::block
