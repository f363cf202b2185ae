/// Disk images that are not raw: each is served by a process of its own, over a connection that nobody else has.
#pragma once

#include "devices/base/unique_fd.hpp"
#include "devices/block/image_format.hpp"

#include <memory>
#include <string>

namespace devices::block {

struct ImageRequest {
    std::string image;    ///< path
    ImageFormat format{}; ///< not Raw
    bool told = false;    ///< the user has told the format; otherwise the name has, and the content has to agree
    bool read_only = false;
    std::string backing{}; ///< a folder where files that belong to the image may lie beside its own; empty for none
};

/// Such a process. At the end of the object's life it ends too, by itself, once it has closed the image.
class ImageServer {
  public:
    ImageServer() = default;
    ImageServer(ImageServer const&) = delete;
    ImageServer& operator=(ImageServer const&) = delete;
    virtual ~ImageServer() = default;

    /// The connection, on which it speaks NBD. Once.
    [[nodiscard]] virtual UniqueFd take_connection() = 0;

    /// How it has ended, waiting a moment for that: "was ended by signal 9 (Killed)".
    [[nodiscard]] virtual std::string how_it_ended() = 0;

    /// The connection is closed: waits until the image is, but not for ever.
    virtual void end() = 0;
};

/// Starts one. Waits for the file system that the image is on. Throws OpenError.
[[nodiscard]] std::unique_ptr<ImageServer> serve_image(ImageRequest const& request);

/// Who starts them; nullptr, as at first, for nobody. Called on any thread, as above.
using ImageStarter = std::unique_ptr<ImageServer> (*)(ImageRequest const&);
void set_image_starter(ImageStarter starter);

} // namespace devices::block
