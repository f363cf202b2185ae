#include "devices/block/nbd_source.hpp"

#include <utility>

namespace devices::block {

namespace {

class NamedServer final : public NbdSource {
  public:
    explicit NamedServer(std::string uri) : uri_{std::move(uri)} {}

    std::string const& name() const override { return uri_; }
    int begin(nbd_handle* handle) override { return nbd_library().aio_connect_uri(handle, uri_.c_str()); }
    std::string no_connection(std::string const& why) override { return "cannot be reached: " + why; }
    std::string lost() override { return "has lost its server: the guest gets errors until it is back"; }
    bool comes_back() const override { return true; }

  private:
    std::string const uri_;
};

class StartedServer final : public NbdSource {
  public:
    StartedServer(std::string image, std::unique_ptr<ImageServer> server)
        : image_{std::move(image)}, server_{std::move(server)}
    {}

    std::string const& name() const override { return image_; }
    int begin(nbd_handle* handle) override
    {
        return nbd_library().aio_connect_socket(handle, server_->take_connection().release());
    }
    std::string no_connection(std::string const& why) override
    {
        return "cannot be served: " + why + "; its qemu-nbd " + server_->how_it_ended();
    }
    /// It is not started again: what has ended it once, and it may be the guest, would do so again.
    std::string lost() override
    {
        return "has lost its qemu-nbd, which " + server_->how_it_ended() +
               ": the guest gets errors until it is started anew, or the disk is taken away and added again";
    }
    bool comes_back() const override { return false; }
    void end() override { server_->end(); }

  private:
    std::string const image_;
    std::unique_ptr<ImageServer> const server_;
};

} // namespace

std::unique_ptr<NbdSource> nbd_source(std::string uri)
{
    return std::make_unique<NamedServer>(std::move(uri));
}

std::unique_ptr<NbdSource> nbd_source(std::string image, std::unique_ptr<ImageServer> server)
{
    return std::make_unique<StartedServer>(std::move(image), std::move(server));
}

} // namespace devices::block
