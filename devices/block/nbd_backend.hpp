/// A disk that an NBD server holds, which brings remote images and, with one of our own, qcow2, VHDX and others.
#pragma once

#include "devices/base/guarded.hpp"
#include "devices/base/unique_fd.hpp"
#include "devices/block/backend.hpp"
#include "devices/block/io_budget.hpp"
#include "devices/block/nbd_piece.hpp"
#include "devices/block/nbd_source.hpp"

#include <condition_variable>
#include <functional>
#include <memory>
#include <stop_token>
#include <string>
#include <string_view>
#include <thread>

namespace devices::block {

/// Has a thread of its own, which alone talks to the server. While the server is gone, requests are answered with
/// Unreachable, and the thread tries to connect once a second to one that may come back. What exhausts the host's
/// memory costs the connection. Writes that a lost connection had taken but not flushed may be lost: the next Flush
/// says so, once.
class NbdBackend final : public Backend {
  public:
    struct How {
        bool read_only = false;
        std::uint64_t block_size = 512;                   ///< the size is a multiple of it
        std::function<void(std::string const&)> notice{}; ///< hears that the server is gone, or back; any thread
        std::shared_ptr<IoBudget> memory{};               ///< what copies of data are charged to
        std::stop_token stop{};                           ///< ends connecting
    };

    /// "nbd://HOST[:PORT]/[EXPORT]", "nbd+unix:///[EXPORT]?socket=PATH", and the same with nbds for TLS.
    [[nodiscard]] static bool is_uri(std::string_view text);

    /// Connects; throws OpenError, std::system_error when the host has no thread left.
    NbdBackend(std::unique_ptr<NbdSource> source, How how);
    NbdBackend(std::string uri, How how) : NbdBackend(nbd_source(std::move(uri)), std::move(how)) {}
    /// Waits a moment for the thread, which may hang in the look-up of a name, or wait for an image to be closed, and
    /// leaves it behind then.
    ~NbdBackend() override;

    [[nodiscard]] Properties const& properties() const override { return properties_; }
    [[nodiscard]] std::optional<Result> submit(Request& request) override;
    void stop() override;
    /// The thread leaves what its server sends in the socket.
    void quiesce(hv::StillBusy busy) override;
    void resume() override;
    void inspect(hv::Inspector& inspector) const override;

  private:
    /// Requests on their way to the thread, and how it does.
    struct Line {
        bool stopping = false;
        bool connected = false;
        Request* first = nullptr; ///< waiting for the thread, a list in the order of submission
        Request** end = &first;
        bool quiesced = false;
        bool uses_memory = false; ///< the thread may move data to or from a request's memory
        hv::StillBusy busy{};
        std::uint64_t lost_connections = 0;
        NbdBlockSizes sizes{}; ///< of the connection that there is, or was
        bool ended = false;    ///< the thread's work
    };
    /// What the thread shares with the others. It keeps it alive, should the backend end on that very thread.
    struct Shared {
        Guarded<Line, LockRank::Leaf> line;
        std::condition_variable_any rest_over;
        std::condition_variable_any end_came;
        UniqueFd wake; ///< eventfd
    };
    class Worker;

    std::string const name_; ///< of the source
    Properties properties_{};
    std::shared_ptr<Shared> const shared_;
    std::thread thread_;
};

} // namespace devices::block
