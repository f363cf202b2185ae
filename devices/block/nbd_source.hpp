/// Whose disk an NBD backend is: a server that the user has named, or one that was started for an image.
#pragma once

#include "devices/block/image_server.hpp"
#include "devices/block/nbd_library.hpp"

#include <memory>
#include <string>

namespace devices::block {

/// For one thread, but for `name`.
class NbdSource {
  public:
    NbdSource() = default;
    NbdSource(NbdSource const&) = delete;
    NbdSource& operator=(NbdSource const&) = delete;
    virtual ~NbdSource() = default;

    /// What the user calls it: a URI, or an image's path. Any thread.
    [[nodiscard]] virtual std::string const& name() const = 0;

    /// Has the library begin to connect; what it returns.
    [[nodiscard]] virtual int begin(nbd_handle* handle) = 0;

    /// "cannot be reached: …" of what the library says.
    [[nodiscard]] virtual std::string no_connection(std::string const& why) = 0;

    /// "has lost its server: …", after which `begin` may be called again if `comes_back`.
    [[nodiscard]] virtual std::string lost() = 0;
    [[nodiscard]] virtual bool comes_back() const = 0;

    /// The connection was closed for good.
    virtual void end() {}
};

[[nodiscard]] std::unique_ptr<NbdSource> nbd_source(std::string uri);
[[nodiscard]] std::unique_ptr<NbdSource> nbd_source(std::string image, std::unique_ptr<ImageServer> server);

} // namespace devices::block
