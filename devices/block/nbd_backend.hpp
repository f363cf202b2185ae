/// A disk that an NBD server holds: what brings qcow2, VHDX and remote images.
#pragma once

#include "devices/base/unique_fd.hpp"
#include "devices/block/backend.hpp"

#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>

namespace devices::block {

/// Has a thread of its own, which alone talks to the server. While the server is gone, requests are answered with
/// Unreachable, and the thread tries to connect once a second. Writes that a lost connection had taken but not
/// flushed may be lost: the next Flush says so, once.
class NbdBackend final : public Backend {
  public:
    struct How {
        bool read_only = false;
        std::uint64_t block_size = 512;                   ///< the size is a multiple of it
        std::function<void(std::string const&)> notice{}; ///< hears that the server is gone, or back; any thread
    };

    /// "nbd://HOST[:PORT]/[EXPORT]", "nbd+unix:///[EXPORT]?socket=PATH", and the same with nbds for TLS.
    [[nodiscard]] static bool is_uri(std::string_view text);

    /// Connects; throws OpenError.
    NbdBackend(std::string uri, How how);
    ~NbdBackend() override;

    [[nodiscard]] Properties const& properties() const override { return properties_; }
    [[nodiscard]] std::optional<Result> submit(Request& request) override;
    void stop() override;
    void inspect(hv::Inspector& inspector) const override;

  private:
    /// What the thread shares with the others. It keeps it alive, should the backend end on that very thread.
    struct Shared {
        std::mutex mutex;
        bool stopping = false;
        bool connected = false;
        Request* first = nullptr; ///< waiting for the thread, a list in the order of submission
        Request** end = &first;
        std::uint64_t lost_connections = 0;
        UniqueFd wake; ///< eventfd
    };
    class Worker;

    std::string const uri_;
    Properties properties_{};
    std::shared_ptr<Shared> const shared_;
    std::thread thread_;
};

} // namespace devices::block
