#include "devices/block/testing/image.hpp"
#include "devices/vmbus/storage/testing/storage_guest.hpp"
#include "hv/testing/catch.hpp"
#include "vmm/machine/disks.hpp"

#include <filesystem>
#include <future>
#include <string>
#include <sys/socket.h>
#include <sys/un.h>
#include <thread>
#include <unistd.h>
#include <vector>

namespace {

using devices::block::testing::TestImage;
using devices::storage::testing::OfferedDevices;

/// An NBD server that takes connections and says nothing.
class SilentServer {
  public:
    SilentServer()
    {
        ::unlink(path_.c_str());
        sockaddr_un address{};
        address.sun_family = AF_UNIX;
        path_.copy(address.sun_path, sizeof address.sun_path - 1);
        REQUIRE(::bind(listener_, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0);
        REQUIRE(::listen(listener_, 1) == 0);
    }
    SilentServer(SilentServer const&) = delete;
    SilentServer& operator=(SilentServer const&) = delete;
    ~SilentServer()
    {
        ::close(connection_);
        ::close(listener_);
        ::unlink(path_.c_str());
    }

    void wait_for_client() { connection_ = ::accept(listener_, nullptr, nullptr); }
    [[nodiscard]] vmm::DiskOptions disk() const
    {
        vmm::DiskOptions options;
        options.image = "nbd+unix:///?socket=" + path_;
        return options;
    }

  private:
    std::string const path_ =
        std::filesystem::temp_directory_path() / ("porthole-silent-" + std::to_string(::getpid()));
    int const listener_ = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int connection_ = -1;
};

} // namespace

TEST_CASE("A disk is added while the guest runs, or it is said why not", "[storage][threads]")
{
    OfferedDevices bus;
    vmm::Disks disks{bus, 1, {}, nullptr, {}};
    TestImage const image{1 << 20};
    vmm::DiskOptions options;
    options.image = image.path();
    std::promise<vmm::Disks::Place> added;
    disks.add_later(
        options, [&](auto place) { added.set_value(place); }, [](auto) {});
    CHECK(added.get_future().get().lun == 0);

    std::promise<std::string> refused;
    options.image = "/nowhere/disk.img";
    disks.add_later(
        options, [](auto) {}, [&](auto why) { refused.set_value(why); });
    CHECK(refused.get_future().get().find("does not exist") != std::string::npos);
}

TEST_CASE("A guest ends while a disk's server does not answer", "[storage][threads]")
{
    SilentServer server;
    OfferedDevices bus;
    std::string heard;
    {
        vmm::Disks disks{bus, 1, {}, nullptr, {}};
        disks.add_later(
            server.disk(), [](auto) {}, [&](auto why) { heard = why; });
        server.wait_for_client();
    }
    CHECK((heard.empty() || heard.find("stopped") != std::string::npos)); // it may be left behind
}

TEST_CASE("A guest that is being built is given up while a disk's server does not answer", "[storage][threads]")
{
    SilentServer server;
    OfferedDevices bus;
    std::stop_source stop;
    std::thread user{[&] {
        server.wait_for_client();
        stop.request_stop();
    }};
    std::vector const options{server.disk()};
    CHECK_THROWS_WITH((vmm::Disks{bus, 1, options, nullptr, stop.get_token()}), Catch::Contains("stopped"));
    user.join();
}
